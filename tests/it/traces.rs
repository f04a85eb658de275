//! Tests spans of calls, as a collector receives them.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
};

use serde_json::Value;

use crate::harness::{APP, Server, accepted};

/// Receives one export request as a collector.
fn collect(listener: &TcpListener) -> Value {
    let mut stream = BufReader::new(accepted(listener));
    let (mut head, mut length) = (String::new(), 0);
    while stream.read_line(&mut head).unwrap() > 2 {
        let line = head.lines().last().unwrap().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        }
    }
    assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    stream
        .get_mut()
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        .unwrap();
    serde_json::from_slice(&body).unwrap()
}

#[test]
fn spans_are_sent_to_a_collector_in_the_trace_of_the_caller() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::dev(&["--traces", &format!("http://{}", listener.local_addr().unwrap())]);
    let mut client = server.client();
    let target = client.target("recentcontact/get_contact_group");
    let call = |header: &str, body: &str| {
        format!("POST {target} HTTP/1.1\r\nHost: x\r\n{header}Content-Length: {}\r\n\r\n{body}", body.len())
    };
    let parent = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-";
    let good = r#"{"From_Account":"user0","StartIndex":0}"#;
    assert_eq!(client.raw(call(&format!("{parent}00\r\n"), good).as_bytes()).unwrap().code(), 0);
    assert_eq!(client.raw(call(&format!("{parent}01\r\n"), good).as_bytes()).unwrap().code(), 0);
    assert_eq!(client.raw(call("", "{}").as_bytes()).unwrap().code(), 50002);
    let request = collect(&listener);
    let spans = request["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap();
    assert_eq!(spans.len(), 2, "the call that is not sampled should have no span: {request}");
    let (first, second) = (&spans[0], &spans[1]);
    assert_eq!(first["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(first["parentSpanId"], "00f067aa0ba902b7");
    assert_eq!((&first["name"], &first["kind"]), (&"/v4/recentcontact/get_contact_group".into(), &2.into()));
    assert!(second.get("parentSpanId").is_none() && second["traceId"].as_str().unwrap().len() == 32);
    assert_eq!(
        (&second["status"]["code"], &second["status"]["message"]),
        (&2.into(), &"From_Account is missing (a string: the user whose conversations are organized)".into())
    );
    let nanos = |value: &Value| value.as_str().unwrap().parse::<u128>().unwrap();
    assert!(nanos(&first["endTimeUnixNano"]) > nanos(&first["startTimeUnixNano"]));
    assert!(
        request.to_string().contains(&format!(r#"{{"key":"confold.app","value":{{"intValue":"{APP}"}}}}"#)),
        "{request}"
    );
    assert!(!request.to_string().contains("usersig"));
}
