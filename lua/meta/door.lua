---@meta door
-- host/door.c: the door: what may pass, where to, and that it is written down first.
local door = {}

--- A door; the last three are of simulation alone.
---@param options { user_agent: string?, world: table?, yes: boolean?, confirm: string? }
---@return door.Door
function door.new(options) end

--- What an operation does.
---@param service string
---@param operation string
---@param dry_run boolean?  asked with DryRun, which makes a read of the operations that have it
---@return string  "read" | "session" | "write" | "deletion" | "irreversible"
function door.effect(service, operation, dry_run) end

--- The operations of a service that are known to read, in no order that means anything.
---@param service string
---@return string[]
function door.reads(service) end

--- The services of AWS that are spoken to in a known way, by the name that they sign with.
---@return table<string, { protocol: string, host: string, version: string?, target: string? }>
function door.services() end

---@class door.Door
---@field clock door.clock
---@field http door.http
---@field aws door.aws
---@field cloud door.cloud
---@field vault door.vault
---@field identity door.identity
local Door = {}

--- Before seal.
---@param service string
---@param url string
---@param options { signing_region: string?, transport: table? }?
function Door:endpoint(service, url, options) end

--- Opens that region's own hosts.
---@param name string
function Door:region(name) end

--- No endpoint can be added from here on.
function Door:seal() end

--- Only these from here on; it can only shrink.
---@param options string[]  {"kms", "iam.GetRole"}
function Door:touches(options) end

--- Where writes are written down.
---@param journal journal.Journal
function Door:record(journal) end

--- A line of the caller's own, with the time.
---@param table table
function Door:note(table) end

--- Once, to the credential code.
---@return any  key | nil
function Door:session_key() end

--- Asks for the right to write.
---@param question string
---@return true?
---@return string? message
function Door:permit_writes(question) end

--- Asks whether what cannot be undone may be done.
---@param text string
---@param name string
---@return true?
---@return string? message
function Door:permit_irreversible(text, name) end

--- Asks whether something may be deleted.
---@param text string
---@param name string
---@param whose string?  "the cluster's name" without
---@return true?
---@return string? message
function Door:permit_deletion(text, name, whose) end

--- Gives up every right to write, for good.
function Door:read_only() end

--- Certificates to trust; before seal.
---@param path string
function Door:ca_bundle(path) end

--- The signal that asks the process to stop, if one has come.
---@return string?  "SIGINT" | "SIGTERM" | "SIGHUP" | nil
function Door:stopping() end

--- A prompt: what SIGINT stopped is over, and the next one may begin.
function Door:go_on() end

--- The prompt is over: from here on SIGINT stops the program again.
function Door:prompt_over() end

--- Nothing passes any more.
function Door:shut() end

return door
