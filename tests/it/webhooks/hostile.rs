//! Receivers that answer with something other than HTTP, or with too much or too little of it.

use std::{
    io::{BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

use super::receiver;
use crate::{
    harness::{Server, at_server, keyed, said},
    wait::Finish,
};

/// Starts a receiver that reads each request and then does this with the connection.
fn receiver(respond: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // The thread ends with the process, because nobody connects any more after the test.
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            if receiver::read(&mut BufReader::new(&stream)).is_some() {
                // The server may have closed the connection.
                let _ = respond(&mut stream);
            }
        }
    });
    address
}

/// Returns what `confold webhooks test` says about a receiver.
fn tested(
    respond: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
) -> (String, Server) {
    let url = format!("http://{}/hook", receiver(respond));
    let server = Server::dev(&["--webhook", &url]);
    let output = keyed(&["webhooks", "test", "dev"]).args(at_server(&server)).finish();
    (said(&output), server)
}

/// Returns what is said about a receiver that sends these bytes and closes the connection.
fn answered(bytes: &str) -> String {
    let bytes = bytes.to_owned();
    tested(move |stream| stream.write_all(bytes.as_bytes())).0
}

/// Returns the resident memory of a server, in MiB.
fn memory(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1_024
}

#[test]
fn answers_that_are_not_http_are_failures() {
    for bytes in [
        "",
        "hello\n",
        "\r\n\r\n",
        "HTTP/1.1 abc\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nzzzz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzzzz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nx",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    ] {
        let said = answered(bytes);
        assert!(said.starts_with("not delivered: "), "{bytes:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn answers_of_a_receiver_are_bounded_and_escaped() {
    let body = r#"{"ErrorCode":"\u001b[31m\u202e"#.to_owned() + &"x".repeat(5_000) + "\"}";
    let said = answered(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    assert!(said.starts_with("not delivered: HTTP 200 with ErrorCode \\u{1b}[31m\\u{202e}xxx"), "{said}");
    assert!(said.len() < 200, "{said}");
}

#[test]
fn endless_answers_take_bounded_memory() {
    let chunk = "x".repeat(1 << 20);
    let (said, server) = tested(move |stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        loop {
            write!(stream, "{:x}\r\n{chunk}\r\n", chunk.len())?;
        }
    });
    assert!(said.starts_with("delivered in "), "the status says so, and the rest is not read: {said}");
    assert!(memory(&server) < 64, "{} MiB", memory(&server));
    let (said, server) = tested(|stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
        for number in 0.. {
            write!(stream, "X-{number}: {}\r\n", "x".repeat(1_000))?;
        }
        Ok(())
    });
    assert!(said.starts_with("not delivered: "), "{said}");
    assert!(memory(&server) < 64, "{} MiB", memory(&server));
}

#[test]
fn an_answer_that_comes_byte_by_byte_takes_ten_seconds_at_most() {
    let (said, _server) = tested(|stream| {
        // Each read waits for bytes that never come.
        stream.set_read_timeout(Some(std::time::Duration::from_millis(50)))?;
        for byte in "HTTP/1.1 200 OK\r\nX: ".bytes().chain(std::iter::repeat(b'x')) {
            stream.write_all(&[byte])?;
            let _ = stream.read(&mut [0]);
        }
        Ok(())
    });
    assert_eq!(said, "not delivered: there was no complete answer within 10 seconds\n");
}
