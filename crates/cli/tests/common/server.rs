//! A server in another process, and requests to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A server in another process.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) address: String,
}

/// Starts a server of `dir/run`; none where it is killed `before` it listens.
pub(crate) fn start(dir: &Path, before: Option<Duration>) -> Option<Server> {
    start_with(dir, before, &[])
}

/// The same with more arguments.
#[allow(clippy::zombie_processes, reason = "whoever kills the server waits for it")]
pub(crate) fn start_with(dir: &Path, before: Option<Duration>, more: &[&str]) -> Option<Server> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_semrank"))
        .arg("serve")
        .arg(dir.join("run"))
        .arg("--state")
        .arg(dir.join("state"))
        .args(["--listen", "127.0.0.1:0", "--clock", "log", "--snapshot-records", "20"])
        .args(more)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    if let Some(before) = before {
        std::thread::sleep(before);
        child.kill().unwrap();
        child.wait().unwrap();
        return None;
    }
    let mut said = String::new();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    loop {
        let mut line = String::new();
        assert!(lines.read_line(&mut line).unwrap() > 0, "the server has stopped: {said}");
        said += &line;
        if let Some((_, rest)) = line.split_once("http://") {
            let address = rest.split_whitespace().next().unwrap().to_owned();
            // Nobody reads on: what it says must not fill the pipe.
            std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
            return Some(Server { child, address });
        }
    }
}

/// One request; none where the connection broke.
pub(crate) fn ask(address: &str, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all((head + body).as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}
