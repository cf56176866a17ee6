"""Load on a running server, open loop: requests leave at a fixed rate whether answers come or not, and latency counts from when a
request should have left (autocannon, npm). Client and server share the machine.

    semrank serve RUN --clock log --state /tmp/state &
    npm install autocannon
    python3 benches/serving.py http://127.0.0.1:7700 node_modules/.bin/autocannon items.txt [ACTION]

`items.txt` has one item id a line. Users with 200 events each are made through the API first.
"""

import http.client
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

SECONDS = 15
USERS = 200
EVENTS = 200


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request) as response:
        return json.load(response)


def load(cannon, url, rate, body=None, connections=16):
    """Sends requests at a rate; prints and returns its percentiles in ms."""
    command = [cannon, "-j", "-c", str(connections), "-d", str(SECONDS), "-R", str(rate), "-t", "20"]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        if body is not None:
            file.write(json.dumps(body))
            file.flush()
            command += ["-m", "POST", "-H", "content-type=application/json", "-i", file.name]
        done = subprocess.run(command + [url], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    latency = found["latency"]
    return {
        "rate": round(found["requests"]["average"]),
        "p50": latency["p50"],
        "p99": latency["p99"],
        "failed": found["non2xx"] + found["errors"] + found["timeouts"],
    }


def durable(server, items, action, connections, requests, size):
    """Sends events in a closed loop, so many a request; prints how many a second were acknowledged, and within what time."""
    address, took = server.split("//")[1], []

    def send(number):
        connection = http.client.HTTPConnection(address)
        for at in range(requests):
            events = [
                {"event_id": f"{size} {number} {at} {i}", "user_id": f"u{(number * 7919 + at * 31 + i) % 100000}", "item_id": items[i % len(items)], "action": action, "timestamp": at * 1000}
                for i in range(size)
            ]
            body, begin = json.dumps(events), time.perf_counter()
            connection.request("POST", "/v1/events", body, {"content-type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            took.append(time.perf_counter() - begin)
            assert answer.status == 202, answer.status

    threads, begin = [threading.Thread(target=send, args=(number,)) for number in range(connections)], time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rate = connections * requests * size / (time.perf_counter() - begin)
    took.sort()
    percentile = lambda share: round(took[int(len(took) * share)] * 1000, 1)
    print(f"{size} events a request: {rate:.0f} a second, acknowledged within p50 {percentile(0.5)}, p99 {percentile(0.99)} ms", flush=True)


def main():
    server, cannon, path = sys.argv[1:4]
    with open(path, encoding="utf-8") as file:
        items = [line.rstrip("\n") for line in file]
    rng = random.Random(1)
    actions = sys.argv[4] if len(sys.argv) > 4 else "click"
    for user in range(USERS):
        events = [
            {"event_id": f"load {user} {at}", "user_id": f"load {user}", "item_id": rng.choice(items), "action": actions, "timestamp": at * 1000}
            for at in range(EVENTS)
        ]
        post(f"{server}/v1/events", events)
    candidates = rng.sample(items, min(1000, len(items)))
    ask = {"user": "load 7", "k": 20}
    # A click model costs some milliseconds a thousand candidates: it is asked less often.
    has_clicks = "probability" in post(f"{server}/v1/rank", ask)["items"][0]
    rates = (150, 100) if has_clicks else (500, 200)
    rows = [
        ("an empty handler", "/v2/health/live", rates[0], None),
        ("rank 1,000 candidates", "/v1/rank", rates[0], ask | {"candidates": candidates}),
        ("find and rank", "/v1/rank", rates[1], ask),
    ]
    for name, route, rate, body in rows:
        print(f"{name:<24} {load(cannon, server + route, rate, body)}", flush=True)
    durable(server, items, actions, 4, 40, 5000)
    durable(server, items, actions, 16, 300, 1)


if __name__ == "__main__":
    main()
