//! What a NATS server tells of its settings over HTTP: whether it syncs every message.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// Bytes of an answer, at most.
const MOST_BYTES: u64 = 1 << 20;

/// Asks `HOST:PORT` whether the server has `sync_interval: always`; else says what is wrong, and what to do.
pub(super) fn check(monitor: &str, until: Instant) -> Result<(), (String, String)> {
    let unread = |error: std::io::Error| {
        let advice = "start the server with an HTTP port (`http: 8222`) and name it, or leave `monitor` away";
        (format!("cannot be checked: its settings at {monitor} cannot be read: {error}"), advice.to_owned())
    };
    let answer = ask(monitor, until.saturating_duration_since(Instant::now())).map_err(unread)?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let settings: serde_json::Value = serde_json::from_str(body).map_err(|error| unread(error.into()))?;
    if settings["jetstream"]["config"]["sync_always"] == true {
        return Ok(());
    }
    let advice = "write `jetstream { sync_interval: always }` into the server's settings and start it again";
    Err(("would not be durable: the server does not sync every message".into(), advice.into()))
}

fn ask(monitor: &str, most: Duration) -> std::io::Result<String> {
    let address = monitor.to_socket_addrs()?.next().ok_or(std::io::ErrorKind::AddrNotAvailable)?;
    let most = most.max(Duration::from_millis(1));
    let mut stream = TcpStream::connect_timeout(&address, most)?;
    stream.set_read_timeout(Some(most))?;
    write!(stream, "GET /varz HTTP/1.0\r\nHost: {monitor}\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(MOST_BYTES).read_to_string(&mut answer)?;
    Ok(answer)
}
