//! Answers of an endpoint, from the status line to the last byte.

use crate::data::write;
use crate::embed::encode;
use crate::harness::Subject;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

pub(crate) const ANSWERS: &[Subject] = &[
    Subject { name: "tei", make: tei, read: |folder| ask(folder, "embed", "width=3") },
    Subject { name: "openai", make: openai, read: |folder| ask(folder, "v1/embeddings", "width=3") },
    Subject { name: "probe", make: probe, read: |folder| ask(folder, "embed", "batch=1") },
];

fn answer(folder: &Path, body: &str) -> Vec<String> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length:";
    write(folder, &[("answer", format!("{head} {}\r\n\r\n{body}", body.len()))])
}

fn tei(folder: &Path) -> Vec<String> {
    answer(folder, "[[1.0,2.5,-3e-2],[0,1,2]]")
}

fn openai(folder: &Path) -> Vec<String> {
    let vector = |index: usize| {
        format!("{{\"object\":\"embedding\",\"index\":{index},\"embedding\":[1.0,2.5,-3e-2]}}")
    };
    answer(folder, &format!("{{\"object\":\"list\",\"data\":[{},{}],\"model\":\"m\"}}", vector(1), vector(0)))
}

fn probe(folder: &Path) -> Vec<String> {
    answer(folder, "[[1.0,2.5,-3e-2]]")
}

/// Encodes with an endpoint that gives the same answer to every request.
fn ask(folder: &Path, path: &str, options: &str) -> Result<(), String> {
    let answer = std::fs::read(folder.join("answer")).expect("a file");
    *ANSWER.lock().expect("no thread panics while it holds the answer") = answer;
    encode(&format!("http://{}/{path}?{options}&retries=0&timeout_s=2&concurrency=1", *ENDPOINT))
}

/// What the endpoint says now.
static ANSWER: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// One endpoint for all cases: a port of its own for each uses up the machine's ports, as a closed one is not free for a minute.
static ENDPOINT: LazyLock<SocketAddr> = LazyLock::new(|| {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = ANSWER.lock().expect("no thread panics while it holds the answer").clone();
            let _ = serve(stream, &answer);
        }
    });
    address
});

fn serve(stream: TcpStream, answer: &[u8]) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut reader = BufReader::new(stream);
    let (mut line, mut len) = (String::new(), 0);
    loop {
        line.clear();
        if reader.read_line(&mut line)? <= 2 {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            len = value.trim().parse().unwrap_or(0);
        }
    }
    std::io::copy(&mut reader.by_ref().take(len), &mut std::io::sink())?;
    reader.get_mut().write_all(answer)
}
