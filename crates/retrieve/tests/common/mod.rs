//! A server of one answer, for tests of sources over HTTP.

#![allow(dead_code, reason = "each test file uses a part")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What it was asked, newest last.
pub(crate) type Asked = Arc<Mutex<Vec<String>>>;

/// Answers every request on a free port as `answer` writes it; returns the address.
pub(crate) fn serve(
    answer: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
) -> (String, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/candidates", listener.local_addr().expect("an address"));
    let asked = Asked::default();
    let (seen, answer) = (asked.clone(), Arc::new(answer));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (seen, answer) = (seen.clone(), answer.clone());
            // A client that gave up breaks the connection: nothing to report.
            std::thread::spawn(move || talk(stream, &seen, &*answer).ok());
        }
    });
    (url, asked)
}

fn talk(
    mut stream: TcpStream,
    seen: &Mutex<Vec<String>>,
    answer: &dyn Fn(&mut TcpStream) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let length =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    seen.lock().expect("no test panicked").push(String::from_utf8_lossy(&body).into_owned());
    answer(&mut stream)
}

/// Writes a whole answer with a status and more headers.
pub(crate) fn reply(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) -> std::io::Result<()> {
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n")?;
    stream.write_all(body)
}
