"""The predecessor's quote path, as its stack decision document describes it: FastAPI on uvicorn with uvloop, one worker,
no access log; the token verified by PyJWT; a token bucket in Lua; the quote read from Redis. Nothing else is in it: no
upstream call, no retry, no metrics, so that it is faster here than it was.

Usage: predecessor.py PORT REDIS_PORT. The environment has JWT_SECRET.
"""

import json
import os
import sys
import time
import uuid
from datetime import datetime, timezone

import jwt
import redis.asyncio as redis
import uvicorn
from fastapi import FastAPI, HTTPException, Request

SECRET = os.environ["JWT_SECRET"]
LIMIT = 1_000_000_000  # the limiter stays in the path and refuses nothing

# As in the document.
BUCKET = """
local key = KEYS[1]
local limit = tonumber(ARGV[1])
local window = tonumber(ARGV[2])
local now = tonumber(ARGV[3])

local current = redis.call('GET', key)
if current == false then
    current = limit
else
    current = tonumber(current)
end

if current > 0 then
    redis.call('DECR', key)
    redis.call('EXPIRE', key, window)
    return {1, current - 1}
else
    return {0, 0}
end
"""

app = FastAPI()
store = redis.Redis(port=int(sys.argv[2]), decode_responses=True, max_connections=64)


def verify(authorization: str) -> dict:
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise HTTPException(401, "missing token")
    try:
        return jwt.decode(token, SECRET, algorithms=["HS256"], audience="trading-api", issuer="opitios-alpaca")
    except jwt.InvalidTokenError as error:
        raise HTTPException(401, "invalid token") from error


async def allowed(account: str) -> bool:
    result = await store.eval(BUCKET, 1, f"rate:{account}", LIMIT, 60, time.time())
    return bool(result[0])


@app.get("/api/v1/stocks/{symbol}/quote")
async def quote(symbol: str, request: Request) -> dict:
    claims = verify(request.headers.get("authorization", ""))
    if not await allowed(claims["account_id"]):
        raise HTTPException(429, "rate limit exceeded")
    cached = await store.get(f"peer-quote:{symbol}")
    if cached is None:
        raise HTTPException(404, "unknown symbol")
    return {
        "success": True,
        "timestamp": datetime.now(timezone.utc).isoformat(),
        "request_id": uuid.uuid4().hex,
        "data": json.loads(cached),
    }


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), workers=1, loop="uvloop", access_log=False, log_level="error")
