-- The load: signed run.completed callbacks of about 700 bytes, no two alike.
--
-- Owns what is posted. Each request is made when it is about to be sent: a fresh run id (UUID version
-- 7, rising with time), varied content, and the HMAC-SHA256 of exactly these bytes under the whole text
-- of the secret, by libcrypto through LuaJIT's FFI. At the end one line `BENCH {json}` says what
-- happened; `made` and the answers bracket how many requests the server can have seen.
--
-- wrk -t1 -c64 -d4s -s load.lua http://127.0.0.1:PORT -- PATH SECRET SEED

local ffi = require("ffi")
ffi.cdef([[
typedef struct { long sec; long nsec; } bench_time;
int clock_gettime(int id, bench_time *now);
typedef struct evp_md_st EVP_MD;
const EVP_MD *EVP_sha256(void);
unsigned char *HMAC(const EVP_MD *digest, const void *key, int key_length,
                    const unsigned char *data, size_t length,
                    unsigned char *mac, unsigned int *mac_length);
]])

local REALTIME, MONOTONIC = 0, 1

local function load_libcrypto()
  for _, name in ipairs({ "libcrypto.so.3", "libcrypto.so.1.1", "crypto" }) do
    local found, library = pcall(ffi.load, name)
    if found then return library end
  end
  error("libcrypto is not installed")
end

local crypto = load_libcrypto()
local sha256 = crypto.EVP_sha256()
local clock = ffi.new("bench_time")
local mac, mac_length = ffi.new("unsigned char[32]"), ffi.new("unsigned int[1]")
local hex = ffi.new("unsigned char[64]")
local DIGITS = ffi.new("unsigned char[16]", "0123456789abcdef")

local format, random, rep, sub = string.format, math.random, string.rep, string.sub

-- What the main state reads when all is over (thread:get) must be global.
made, first_monotonic_us, first_wall_us = 0, 0, 0

local secret, head
local second, stamp, compact = -1, "", ""

local function now_us(kind)
  ffi.C.clock_gettime(kind, clock)
  return tonumber(clock.sec) * 1000000 + math.floor(tonumber(clock.nsec) / 1000)
end

local function signature(body)
  crypto.HMAC(sha256, secret, #secret, body, #body, mac, mac_length)
  for i = 0, 31 do
    local byte = mac[i]
    hex[2 * i] = DIGITS[bit.rshift(byte, 4)]
    hex[2 * i + 1] = DIGITS[bit.band(byte, 15)]
  end
  return ffi.string(hex, 64)
end

-- Two halves: LuaJIT formats 32 bits at a time without surprises.
local function run_id(milliseconds)
  local high = math.floor(milliseconds / 65536)
  return format("%08x-%04x-7%03x-%04x-%06x%06x",
    high, milliseconds % 65536, made % 4096, 0x8000 + random(0, 0x3fff),
    random(0, 0xffffff), random(0, 0xffffff))
end

local WORDS = "a quiet harbour at dawn, long exposure, soft light over wet stone, two boats and a "
  .. "lantern, film grain, wide angle, no people, muted colours, mist above the water"

local function link(id, number)
  return format(
    '{"url":"https://assets.example.com/runs/%s/%d.png?X-Amz-Date=%s&X-Amz-Expires=3600'
      .. '&X-Amz-Signature=%08x%08x","type":"image"}',
    id, number, compact, random(0, 0x7fffffff), random(0, 0x7fffffff))
end

local function outputs(id)
  if random(8) == 1 then return link(id, 1) .. "," .. link(id, 2) end
  return link(id, 1)
end

-- Every second run carries a client_ref: the documents promise it in some copies only.
local function reference()
  if made % 2 == 0 then return "" end
  return format('"client_ref":"order-%d-%d",', made, random(1, 1000000000))
end

local function callback()
  local wall = now_us(REALTIME)
  local seconds = math.floor(wall / 1000000)
  if seconds ~= second then
    second = seconds
    stamp = os.date("!%Y-%m-%dT%H:%M:%S", seconds)
    compact = os.date("!%Y%m%dT%H%M%SZ", seconds)
  end
  local micros = wall % 1000000
  local id = run_id(math.floor(wall / 1000))
  return format(
    '{"event":"run.completed","run_id":"%s",%s"status":"succeeded","output":{"outputs":[%s],'
      .. '"seed":%d,"timing":{"inference":%d.%02d},"nsfw_detected":false},"duration_ms":%d,'
      .. '"created_at":"%s.%06d+00:00","completed_at":"%s.%06d+00:00","metadata":'
      .. '{"order":%d,"sku":"%06x","prompt":"%s","attempt":%d,"note":"%s"}}',
    id, reference(), outputs(id), random(0, 0x7fffffff), random(1, 90), random(0, 99),
    random(900, 90000), stamp, micros, stamp, micros, random(1, 99999999),
    random(0, 0xffffff), sub(WORDS, 1, random(20, #WORDS)), random(1, 3),
    rep("x", random(0, 40)))
end

local threads = {}

function setup(thread)
  threads[#threads + 1] = thread
end

function init(args)
  secret = args[2]
  math.randomseed(tonumber(args[3]))
  head = "POST " .. args[1] .. " HTTP/1.1\r\nHost: " .. wrk.host
    .. "\r\nUser-Agent: bench\r\nContent-Type: application/json\r\nRunflow-Request-Id: req_"
end

function request()
  if made == 0 then
    first_monotonic_us, first_wall_us = now_us(MONOTONIC), now_us(REALTIME)
  end
  made = made + 1
  local body = callback()
  return format("%s%08x\r\nRunflow-Signature: %s\r\nContent-Length: %d\r\n\r\n%s",
    head, made, signature(body), #body, body)
end

function done(summary, latency)
  local thread, errors = threads[1], summary.errors
  io.write(format(
    'BENCH {"answered":%d,"made":%d,"duration_us":%d,"first_monotonic_us":%.0f,'
      .. '"first_wall_us":%.0f,"p50_us":%d,"p99_us":%d,"max_us":%d,"refused":%d,"broken":%d}\n',
    summary.requests, thread:get("made"), summary.duration,
    thread:get("first_monotonic_us"), thread:get("first_wall_us"),
    latency:percentile(50), latency:percentile(99), latency.max, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
