-- Requests from a file of bodies, in turn. `wrk -s load.lua URL -- BODIES CONTENT_TYPE`; BODIES holds, for each,
-- its length as a decimal line and then its bytes. Each thread begins elsewhere in the file.
local bodies, at = {}, 0
local threads = 0

function setup(thread)
   thread:set("id", threads)
   threads = threads + 1
end

function init(args)
   local file = assert(io.open(args[1], "rb"))
   wrk.method = "POST"
   wrk.headers["Content-Type"] = args[2]
   for pair = 3, #args, 2 do wrk.headers[args[pair]] = args[pair + 1] end
   while true do
      local length = file:read("*l")
      if not length then break end
      bodies[#bodies + 1] = wrk.format(nil, nil, nil, file:read(tonumber(length)))
   end
   at = id * 37 % #bodies
end

function request()
   at = at % #bodies + 1
   return bodies[at]
end

function done(summary, latency, requests)
   io.write(string.format(
      "RESULT %d %d %.3f %.3f %.3f %d\n", summary.requests, summary.duration, latency:percentile(50),
      latency:percentile(99), latency.max,
      summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
