//! Where a log of a test is kept: a folder, or a server of its own that can be stopped, continued and killed.

use semrank_store::Error;
use semrank_store::journal::Options;
use semrank_store::log::{DurableLog, LogUrl};
use std::sync::Arc;

/// A folder for a log, and the server that keeps it.
pub(crate) struct Place {
    pub(crate) dir: tempfile::TempDir,
    #[cfg(any(feature = "nats", feature = "redis"))]
    server: Option<server::Server>,
}

impl Place {
    pub(crate) fn folder() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            #[cfg(any(feature = "nats", feature = "redis"))]
            server: None,
        }
    }

    /// The log's address; `options` of servers.
    pub(crate) fn url_with(&self, options: &str) -> String {
        let _ = options;
        #[cfg(any(feature = "nats", feature = "redis"))]
        if let Some(server) = &self.server {
            return format!("{}{options}", server.url());
        }
        format!("file://{}", self.dir.path().join("log").display())
    }

    pub(crate) fn url(&self) -> String {
        self.url_with("")
    }

    pub(crate) fn try_open(&self) -> Result<Arc<dyn DurableLog>, Error> {
        open(&self.url())
    }

    pub(crate) fn open(&self) -> Arc<dyn DurableLog> {
        self.try_open().unwrap()
    }
}

pub(crate) fn open(url: &str) -> Result<Arc<dyn DurableLog>, Error> {
    url.parse::<LogUrl>()?.open(Options { segment_bytes: 1 << 16 })
}

#[cfg(any(feature = "nats", feature = "redis"))]
mod server {
    use super::Place;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::path::Path;
    use std::process::{Child, Command, Stdio};
    use std::time::{Duration, Instant};

    /// A server's program, which one it is, and where it listens.
    pub(super) struct Server {
        kind: Kind,
        program: String,
        pub(super) port: u16,
        monitor: u16,
        child: Child,
    }

    #[derive(Clone, Copy, PartialEq, Eq)]
    enum Kind {
        #[cfg(feature = "redis")]
        Redis,
        #[cfg(feature = "nats")]
        Nats,
    }

    /// What NATS is told, so that it syncs every message.
    const ALWAYS: &str = "sync_interval: always";

    fn free_port() -> u16 {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }

    impl Place {
        #[cfg(feature = "redis")]
        pub(crate) fn redis() -> Option<Self> {
            Self::of(Kind::Redis, "redis-server", "SEMRANK_REDIS_SERVER")
        }

        #[cfg(feature = "nats")]
        pub(crate) fn nats() -> Option<Self> {
            Self::of(Kind::Nats, "nats-server", "SEMRANK_NATS_SERVER")
        }

        fn of(kind: Kind, name: &str, variable: &str) -> Option<Self> {
            let program = std::env::var(variable).unwrap_or_else(|_| name.to_owned());
            let asked = Command::new(&program).arg("--version").output();
            if !asked.is_ok_and(|output| output.status.success()) {
                println!("skipped: no {name} on the path, and none in {variable}");
                return None;
            }
            let dir = tempfile::tempdir().unwrap();
            let (port, monitor) = (free_port(), free_port());
            let child = start(kind, &program, (port, monitor), dir.path(), ALWAYS);
            Some(Self { dir, server: Some(Server { kind, program, port, monitor, child }) })
        }

        fn server(&mut self) -> &mut Server {
            self.server.as_mut().unwrap()
        }

        /// Kills the server's program (SIGKILL).
        pub(crate) fn kill(&mut self) {
            let child = &mut self.server().child;
            child.kill().unwrap();
            child.wait().unwrap();
        }

        /// Starts the server again on its files.
        pub(crate) fn start(&mut self) {
            self.start_with(ALWAYS);
        }

        /// The same; how NATS syncs.
        pub(crate) fn start_with(&mut self, sync: &str) {
            let dir = self.dir.path().to_owned();
            let Server { kind, program, port, monitor, .. } = self.server();
            let child = start(*kind, program, (*port, *monitor), &dir, sync);
            self.server().child = child;
        }

        /// Lets the server stand still, or go on.
        pub(crate) fn signal(&self, name: &str) {
            let id = self.server.as_ref().unwrap().child.id().to_string();
            assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
        }

        /// A connection of its own.
        pub(crate) fn connect(&self) -> TcpStream {
            TcpStream::connect(("127.0.0.1", self.server.as_ref().unwrap().port)).unwrap()
        }

        #[cfg(feature = "nats")]
        pub(crate) fn monitor(&self) -> String {
            format!("127.0.0.1:{}", self.server.as_ref().unwrap().monitor)
        }
    }

    impl Server {
        pub(super) fn url(&self) -> String {
            match self.kind {
                #[cfg(feature = "redis")]
                Kind::Redis => format!("redis://127.0.0.1:{}/0?key=events", self.port),
                #[cfg(feature = "nats")]
                Kind::Nats => format!("nats://127.0.0.1:{}?stream=events", self.port),
            }
        }
    }

    impl Drop for Server {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    fn start(kind: Kind, program: &str, (port, monitor): (u16, u16), dir: &Path, sync: &str) -> Child {
        let mut command = Command::new(program);
        match kind {
            #[cfg(feature = "redis")]
            Kind::Redis => command
                .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
                .arg(dir)
                .args(["--appendonly", "yes", "--appendfsync", "always"]),
            #[cfg(feature = "nats")]
            Kind::Nats => {
                let file = dir.join("nats.conf");
                let settings = format!(
                    "listen: 127.0.0.1:{port}\nhttp: 127.0.0.1:{monitor}\njetstream {{ store_dir: \"{}\", {sync} }}\n",
                    dir.join("nats").display()
                );
                std::fs::write(&file, settings).unwrap();
                command.arg("-c").arg(file)
            }
        };
        let _ = (monitor, sync);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        while !is_ready(port) {
            assert!(child.try_wait().unwrap().is_none(), "{program} has ended");
            assert!(Instant::now() < until, "{program} does not start");
            std::thread::sleep(Duration::from_millis(10));
        }
        child
    }

    /// NATS greets, Redis answers.
    fn is_ready(port: u16) -> bool {
        let ask = || -> std::io::Result<bool> {
            let mut stream = TcpStream::connect(("127.0.0.1", port))?;
            stream.set_read_timeout(Some(Duration::from_secs(1)))?;
            stream.write_all(b"PING\r\n")?;
            let mut answer = [0; 5];
            stream.read_exact(&mut answer)?;
            Ok([b"+PONG", b"INFO "].contains(&&answer))
        };
        ask().unwrap_or(false)
    }
}
