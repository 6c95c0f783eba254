--- What is inside the program and under which terms: notices and texts as the projects give them. `cmek version --licenses` and the
--- package's copyright file print it. The linker takes libraries whole or in parts; what it may take is named.

local M = {}

--- What is inside. `links`: as the Makefile links it.
---@type { name: string, licence: string, links: string?, copyright: string[] }[]
M.INSIDE = {
  { name = "cmek", licence = "MIT", copyright = { "Copyright (c) 2026 The cmek authors" } },
  { name = "Lua 5.4", licence = "MIT", links = "lua5.4", copyright = { "Copyright (c) 1994-2022 Lua.org, PUC-Rio" } },
  { name = "lua-cjson", licence = "MIT", links = "lua5.4-cjson", copyright = { "Copyright (c) 2010-2012 Mark Pulford <mark@kyne.com.au>" } },
  { name = "argparse", licence = "MIT", links = "argparse",
    copyright = { "Copyright (c) 2013-2018 Peter Melnichenko", "Copyright (c) 2019 Paul Ouellette" } },
  { name = "expat", licence = "MIT", links = "expat",
    copyright = { "Copyright (c) 1998-2000 Thai Open Source Software Center Ltd and Clark Cooper", "Copyright (c) 2001-2022 Expat maintainers" } },
  { name = "libevent", licence = "BSD-3-Clause", links = "event_core event_extra event_openssl",
    copyright = {
      "Copyright (c) 2000-2007 Niels Provos <provos@citi.umich.edu>",
      "Copyright (c) 2007-2012 Niels Provos and Nick Mathewson",
      "Copyright (c) 1993 The Regents of the University of California (log.c)",
      "Copyright (c) 2000 Dug Song <dugsong@monkey.org> (log.c)",
      "Copyright (c) 1998 Todd C. Miller <Todd.Miller@courtesan.com> (strlcpy.c)",
      "Copyright (c) 2002 Christopher Clark (ht-internal.h)",
      "Copyright (c) 2006 Maxim Yegorushkin <maxim.yegorushkin@gmail.com> (minheap-internal.h)",
    } },
}

--- What the program uses on the machine and does not contain.
M.BESIDE = {
  { name = "OpenSSL 3", licence = "Apache-2.0", links = "ssl crypto", copyright = { "Copyright (c) 1998-2023 The OpenSSL Project Authors" } },
  { name = "libcurl", licence = "curl", links = "curl",
    copyright = { "Copyright (c) 1996-2023 Daniel Stenberg, <daniel@haxx.se>, and many contributors" } },
  { name = "libedit", licence = "BSD-3-Clause", links = "edit",
    copyright = { "Copyright (c) 1992, 1993 The Regents of the University of California" } },
}

--- The terms, by the name above.
M.TEXTS = {
  ["MIT"] = [[
Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
]],
  ["BSD-3-Clause"] = [[
Redistribution and use in source and binary forms, with or without
modification, are permitted provided that the following conditions
are met:
1. Redistributions of source code must retain the above copyright
   notice, this list of conditions and the following disclaimer.
2. Redistributions in binary form must reproduce the above copyright
   notice, this list of conditions and the following disclaimer in the
   documentation and/or other materials provided with the distribution.
3. The name of the author may not be used to endorse or promote products
   derived from this software without specific prior written permission.

THIS SOFTWARE IS PROVIDED BY THE AUTHOR ``AS IS'' AND ANY EXPRESS OR
IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED WARRANTIES
OF MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE ARE DISCLAIMED.
IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR ANY DIRECT, INDIRECT,
INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL DAMAGES (INCLUDING, BUT
NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES; LOSS OF USE,
DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON ANY
THEORY OF LIABILITY, WHETHER IN CONTRACT, STRICT LIABILITY, OR TORT
(INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF THE USE OF
THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.
]],
}

local function names(entries)
  local rows = {}
  for i, entry in ipairs(entries) do rows[i] = { entry.name, entry.licence, entry.copyright[1] } end
  return require("ui.table").render(rows, "  ")
end

-- The notices of all that stand under one licence, then its text.
local function section(licence)
  local lines = { ("-"):rep(78), licence .. "\n" }
  for _, entry in ipairs(M.INSIDE) do
    if entry.licence == licence then
      for _, notice in ipairs(entry.copyright) do lines[#lines + 1] = ("%s: %s"):format(entry.name, notice) end
    end
  end
  return table.concat(lines, "\n") .. "\n\n" .. M.TEXTS[licence]
end

--- All of it: what is inside, what is used beside it, every notice and every text.
---@return string
function M.render()
  local parts = { "Inside cmek " .. require "version" .. ":\n", names(M.INSIDE),
    "\nUsed on this machine, not inside; their terms come with them (Debian: /usr/share/common-licenses/Apache-2.0):\n", names(M.BESIDE) }
  for licence in require("sorted")(M.TEXTS) do parts[#parts + 1] = "\n" .. section(licence) end
  return table.concat(parts)
end

return M
