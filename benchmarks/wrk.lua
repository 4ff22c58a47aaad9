-- Sends the files of a list, one after the other and from the start again, and ends with a line of JSON.
--   wrk … -s wrk.lua URL -- LIST TYPE
-- LIST has a path a line. TYPE is the type of the bodies; with "form" each file is sent as an upload.

local requests, place = {}, 0

function init(args)
  local kind, boundary = args[2], "lapel-benchmark"
  local headers = {["Content-Type"] = kind == "form" and "multipart/form-data; boundary=" .. boundary or kind}
  for path in io.lines(args[1]) do
    local file = assert(io.open(path, "rb"))
    local body = file:read("*a")
    file:close()
    if kind == "form" then
      body = "--" .. boundary .. '\r\nContent-Disposition: form-data; name="file"; filename="photo.jpg"\r\n'
        .. "Content-Type: image/jpeg\r\n\r\n" .. body .. "\r\n--" .. boundary .. "--\r\n"
    end
    table.insert(requests, wrk.format("POST", nil, headers, body))
  end
end

function request()
  place = place % #requests + 1
  return requests[place]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"seconds": %f, "responses": %d, "refused": %d, "broken": %d, "late": %d, "p50": %f, "p99": %f}\n',
    summary.duration / 1e6, summary.requests, errors.status, errors.connect + errors.read + errors.write,
    errors.timeout, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
