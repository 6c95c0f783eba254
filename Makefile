# cmek: make demo | make test | make peers | make check (sanitizers) | make valgrind | make lint | make bench | make torture SEED= RUNS=
BUILD    = build
CC       = gcc
CFLAGS   = -O2 -g
WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror
PKGS     = lua5.4 openssl libcurl expat
ALL_FLAGS = -std=c11 -D_GNU_SOURCE -Ihost $(WARNINGS) -MMD -MP $(shell pkg-config --cflags $(PKGS)) $(CFLAGS)
STATIC   = -llua5.4 -llua5.4-cjson -lexpat -levent_openssl -levent_extra -levent_core
LIBS     = -Wl,-Bstatic $(STATIC) -Wl,-Bdynamic -lssl -lcrypto -lm -ldl
SCRIPTS := $(shell find lua recipes -name '*.lua' | sort)
ARGPARSE = lua/argparse.lua=$(firstword $(wildcard /usr/share/lua/5.4/argparse.lua /usr/local/share/lua/5.4/argparse.lua))
OBJECTS := $(patsubst host/%.c,$(BUILD)/%.o,$(wildcard host/*.c)) $(BUILD)/scripts.o
TESTS   := $(sort $(wildcard tests/test_*.lua))

.PHONY: all test clean
all: $(BUILD)/cmek

$(BUILD)/cmek: $(OBJECTS)
	$(CC) $(CFLAGS) -o $@ $(OBJECTS) $(LDFLAGS) $(LIBS)
$(BUILD)/%.o: host/%.c | $(BUILD)
	$(CC) $(ALL_FLAGS) -c -o $@ $<
$(BUILD)/scripts.o: $(BUILD)/scripts.c
	$(CC) -std=c11 -Ihost $(shell pkg-config --cflags lua5.4) -c -o $@ $<
$(BUILD)/scripts.c: host/embed.lua $(SCRIPTS) | $(BUILD)   # source, not bytecode; each file must compile
	lua5.4 host/embed.lua $(SCRIPTS) $(ARGPARSE) > $@.new
	mv $@.new $@
$(BUILD):
	mkdir -p $@

test: $(BUILD)/cmek
	$(BUILD)/cmek test tests/run.lua $(TESTS)

clean:
	rm -rf $(BUILD)

-include $(OBJECTS:.o=.d)
