# cmek: make demo | make demo-vault | make test | make install PREFIX= DESTDIR= | make uninstall | make deb | make help names the rest
BUILD    = build
CC       = gcc
CFLAGS   = -O2 -g -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong
LDFLAGS  = -Wl,-z,relro,-z,now
PREFIX   = /usr/local
CORES   := $(shell nproc)
WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -Wno-error=deprecated-declarations
PKGS     = lua5.4 openssl libcurl expat
ALL_FLAGS = -std=c11 -D_GNU_SOURCE -Ihost $(WARNINGS) -MMD -MP $(shell pkg-config --cflags $(PKGS)) $(CFLAGS)
STATIC   = -llua5.4 -llua5.4-cjson -lexpat -levent_openssl -levent_extra -levent_core
LIBS     = -Wl,-Bstatic $(STATIC) -Wl,-Bdynamic -lssl -lcrypto -lm -ldl
SCRIPTS := $(shell find lua recipes -name '*.lua' | sort)
ARGPARSE = lua/argparse.lua=$(firstword $(wildcard /usr/share/lua/5.4/argparse.lua /usr/local/share/lua/5.4/argparse.lua))
OBJECTS := $(patsubst host/%.c,$(BUILD)/%.o,$(wildcard host/*.c)) $(BUILD)/scripts.o
SENTENCES := $(sort $(filter-out tests/test_torture%,$(wildcard tests/test_*.lua)))
TESTS    = tests/test_torture.lua tests/test_torture_faults.lua $(SENTENCES)   # the longest first; torture has seeds of its own where programs are slow

.PHONY: all help setup demo demo-vault test install uninstall deb peers torture bench check valgrind lint clean
all: $(BUILD)/cmek
help:           # this list
	@sed -n 's/^\([a-z-]*\):[^#]*# \(.*\)/make \1\t\2/p' Makefile | expand -t 20

$(BUILD)/cmek: $(OBJECTS)
	$(CC) $(CFLAGS) -o $@ $(OBJECTS) $(LDFLAGS) $(LIBS)
$(BUILD)/%.o: host/%.c | $(BUILD)
	$(CC) $(ALL_FLAGS) -c -o $@ $<
$(BUILD)/scripts.o: $(BUILD)/scripts.c
	$(CC) -std=c11 -Ihost $(shell pkg-config --cflags lua5.4) -c -o $@ $<
$(BUILD)/scripts.c: host/embed.lua $(SCRIPTS) | $(BUILD)   # sources, and what they compile to
	lua5.4 host/embed.lua "$$(lua5.4 -v)" $(SCRIPTS) $(ARGPARSE) > $@.new
	mv $@.new $@
$(BUILD):
	@DEPS=skip host/setup
	mkdir -p $@

install: $(BUILD)/cmek     # program, manual page, completions, licences: below PREFIX (/usr/local), in front of it DESTDIR
	@BUILD=$(BUILD) PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" host/install
uninstall:      # takes them away again
	@PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" host/install uninstall
deb: $(BUILD)/cmek     # a Debian package for this machine's architecture, in the build folder
	@host/deb $(BUILD)

setup:          # the packages that the build needs; DEPS=skip only names what is missing
	@host/setup

demo: setup     # the main job against the simulated services
	@$(MAKE) -s -j$(CORES) $(BUILD)/cmek
	@sh tests/demo.sh $(BUILD)/cmek
demo-vault: setup     # the same with keys from Vault: by its key management engine, and by transit
	@$(MAKE) -s -j$(CORES) $(BUILD)/cmek
	@sh tests/demo.sh $(BUILD)/cmek vault vault-transit

test:           # every sentence in tests/, and the torture
	@host/setup curl openssl
	@$(MAKE) -s -j$(CORES) $(BUILD)/cmek
	@tests/parts '$(BUILD)/cmek test tests/run.lua' $(TESTS)

peers: $(BUILD)/cmek   # against programs that nobody here wrote
	@tests/peers/run $(BUILD)

torture: $(BUILD)/cmek     # whole programs under faults, from a seed: SEED= RUNS= RECIPE=
	@$(BUILD)/cmek test tests/torture.lua $(if $(SEED),--seed $(SEED)) $(if $(RUNS),--runs $(RUNS)) $(if $(RECIPE),--recipe $(RECIPE))

bench: $(BUILD)/cmek     # how long it takes, beside others
	@tests/bench/run $(BUILD)

# Torture of each recipe beside the sentences: $(call beside,PROGRAM,RUNS OF console,RUNS OF THE OTHERS,FLAGS,FILES)
define beside
@{ $(1) tests/torture.lua --runs $(2) && $(1) tests/torture.lua --runs $(3) --recipe vault-transit && \
$(1) tests/torture.lua --runs $(3) --recipe vault; } & torture=$$!; \
tests/parts '$(1) tests/run.lua $(4)' $(5); sentences=$$?; wait $$torture && exit $$sentences
endef

check:          # the sentences under the sanitizers
	@$(MAKE) -s -j$(CORES) BUILD=$(BUILD)/check CFLAGS="-O1 -g -DNO_WIPE -fsanitize=address,undefined -fno-sanitize-recover=all" $(BUILD)/check/cmek
	$(call beside,$(BUILD)/check/cmek test,40,8,,$(SENTENCES))

VALGRIND = valgrind -q --error-exitcode=9 --leak-check=full $(BUILD)/valgrind/cmek test
# Files that between them, and with the torture, reach every line of host/ that all sentences reach: those of a C file's name, and some more.
# Lua that stands on them has no memory of its own, and is beneath the sanitizers in whole.
NATIVE = $(sort $(wildcard $(patsubst host/%.c,tests/test_%.lua,$(wildcard host/*.c))) $(patsubst %,tests/test_%.lua, \
  aws_services completion credentials credentials_metadata duties engine_preflight session task vault_door))
# Left out: that a program cannot be started, which spawn does not tell where valgrind makes a fork of its vfork; and RSA keys of all sizes,
# which OpenSSL makes there in minutes.
LEFT_OUT = --without "a program that is not found, or cannot be run, is named" --without "a process that cannot be started is told" \
  --without "for each size of key that KMS has"
valgrind:       # the sentences under valgrind, beside some torture
	@$(MAKE) -s -j$(CORES) BUILD=$(BUILD)/valgrind CFLAGS="-O1 -g -DNO_WIPE" $(BUILD)/valgrind/cmek
	$(call beside,$(VALGRIND),20,3,$(LEFT_OUT),$(NATIVE))

lint:           # both compilers, and what reads code
	@$(MAKE) -s -j$(CORES) BUILD=$(BUILD)/clang CC=clang CFLAGS="-O1 -funsigned-char" $(BUILD)/clang/cmek
	@printf '%s\n' $(wildcard host/*.c) | xargs -P$(CORES) -n2 sh -c 'clang-tidy --quiet "$$@" -- $(filter-out -MMD -MP,$(ALL_FLAGS)) 2>/dev/null' tidy
	@cppcheck --quiet --error-exitcode=1 --enable=warning,performance,portability --inline-suppr --std=c11 -Ihost -D__linux__ host
	@luacheck --quiet lua recipes host tests

clean:          # removes what was built
	rm -rf $(BUILD)

-include $(OBJECTS:.o=.d)
