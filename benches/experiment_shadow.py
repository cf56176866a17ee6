"""What the lists of the other arms cost: two servers of one run, one finds them for every user (`shadow = 1`), one for nobody; the same
requests go to both in turn, one at a time. Wanted: p99 of the first at most 1.3 times that of the second.

    semrank simulate --out ads --impressions 180000 --users 2000 --ads 600 --late-share 0 --set ads.budgets=false
    semrank run --data ads --out run --set train.epochs=2
    python3 benches/experiment_shadow.py target/release/semrank run [--clicks RUN] [--requests 4000]

Both servers do the work of the test itself: assignment, exposures, and a sync for a unit's first row.
"""

import argparse
import http.client
import json
import random
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

DEFINITION = """
name = "content-sourcer"
start = 2026-02-08T00:00:00Z
days = 7
shadow = {shadow}

[[arms]]
name = "control"
weight = 0.5
set = {{ "retrieve.content.quota" = 0 }}

[[arms]]
name = "treatment"
weight = 0.5

[[metrics]]
name = "clicks"
role = "primary"
numerator = {{ action = "click" }}
window_days = 1
"""
START_MS = 1770508800000
USERS = 200
EVENTS = 200


class Server:
    def __init__(self, args, folder, shadow, port):
        (folder / f"test-{port}.toml").write_text(DEFINITION.format(shadow=shadow))
        command = [args.program, "serve", args.run, "--clock", "log", "--state", str(folder / f"state-{port}")]
        command += ["--experiment", str(folder / f"test-{port}.toml"), "--listen", f"127.0.0.1:{port}"]
        command += ["--clicks", args.clicks] if args.clicks else []
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        for _ in range(300):
            time.sleep(0.1)
            if self.process.poll() is not None:
                raise SystemExit(f"the server on port {port} has stopped")
            try:
                self.connection = http.client.HTTPConnection("127.0.0.1", port)
                self.connection.request("GET", "/v2/health/ready")
                if self.connection.getresponse().read():
                    return
            except OSError:
                pass
        raise SystemExit(f"the server on port {port} is not ready")

    def post(self, path, body):
        text = json.dumps(body)
        begin = time.perf_counter()
        self.connection.request("POST", path, text, {"content-type": "application/json"})
        response = self.connection.getresponse()
        answer = response.read()
        took = time.perf_counter() - begin
        assert response.status < 300, answer
        return took, json.loads(answer)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("run")
    parser.add_argument("--clicks")
    parser.add_argument("--requests", type=int, default=4000)
    args = parser.parse_args()
    chance = random.Random(1)
    with tempfile.TemporaryDirectory() as name:
        servers = [Server(args, Path(name), shadow, 7790 + at) for at, shadow in enumerate([1.0, 0.0])]
        try:
            for user in range(USERS):
                # What users look at: ads of the simulated market, at different times.
                events = [
                    {"event_id": f"{user}-{at}", "user_id": f"u{user}", "item_id": f"ad-{chance.randrange(600):06}",
                     "action": "click", "timestamp": START_MS - EVENTS + at, "received_at": START_MS}
                    for at in range(EVENTS)
                ]
                for server in servers:
                    server.post("/v1/events", events)
            times = [[], []]
            differ = 0
            for at in range(args.requests + 400):
                body = {"request_id": f"r{at}", "user": f"u{at % USERS}", "k": 10, "filter": "kind = ad", "time": START_MS + 1000 + at}
                order = [0, 1] if at % 2 else [1, 0]
                answers = {}
                for which in order:
                    took, answers[which] = servers[which].post("/v1/rank", body)
                    if at >= 400:
                        times[which].append(1000 * took)
                lists = [[item["item"] for item in answers[which]["items"]] for which in (0, 1)]
                differ += lists[0] != lists[1]
        finally:
            for server in servers:
                server.process.terminate()
                server.process.wait()
    print(f"{args.requests} requests, {USERS} users of {EVENTS} events; lists that differ between the servers: {differ}")
    figures = []
    for label, row in zip(["with the other arm's list", "without"], times):
        row.sort()
        p50, p99 = statistics.median(row), row[int(0.99 * len(row))]
        figures.append((p50, p99))
        print(f"{label:<28} p50 {p50:6.2f} ms  p99 {p99:6.2f} ms")
    print(f"ratio                        p50 {figures[0][0] / figures[1][0]:6.2f}     p99 {figures[0][1] / figures[1][1]:6.2f}")


main()
