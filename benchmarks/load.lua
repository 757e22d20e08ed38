-- Requests from a file, in turn: for each a line "LENGTH PATH" and then LENGTH bytes of body. Each thread begins
-- elsewhere. `wrk -s load.lua URL -- FILE CONTENT_TYPE [HEADER VALUE]…`; with PAUSE_MS in the environment each connection
-- waits so long before it asks.
local requests, at, threads = {}, 0, 0
local pause = tonumber(os.getenv("PAUSE_MS") or "0")

if pause > 0 then
   -- from half to one and a half of it, so that the connections do not march in step
   function delay() return pause * (0.5 + math.random()) end
end

function setup(thread)
   thread:set("id", threads)
   threads = threads + 1
end

function init(args)
   local file = assert(io.open(args[1], "rb"))
   wrk.headers["Content-Type"] = args[2]
   for name = 3, #args, 2 do wrk.headers[args[name]] = args[name + 1] end
   while true do
      local line = file:read("*l")
      if not line then break end
      local length, path = line:match("(%d+) (.+)")
      requests[#requests + 1] = wrk.format("POST", path, nil, file:read(tonumber(length)))
   end
   at = id * 37 % #requests
end

function request()
   at = at % #requests + 1
   return requests[at]
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format("RESULT %d %d %.3f %.3f %d %d\n", summary.requests, summary.duration, latency:percentile(50),
      latency:percentile(99), errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
