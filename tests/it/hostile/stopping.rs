//! Nothing can delay the end of a server beyond the time limit of a stop.

use std::{net::TcpListener, process::Stdio};

use crate::{
    harness::{Client, Server},
    serving::Site,
};

const GET: &str = "recentcontact/get_contact_group";
const BODY: &str = r#"{"From_Account":"user0","StartIndex":0}"#;
/// The number of calls, each of which makes a span.
const CALLS: usize = 4_000;

/// Returns a site whose server has two seconds for a stop, and sends spans to a collector that accepts connections but
/// never reads.
fn site() -> (Site, TcpListener) {
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    let site = Site::new();
    let endpoint = format!("traces.endpoint = \"http://{}\"\n", collector.local_addr().unwrap());
    let limits = "[limits]\nrate_limit = false\ncall_timeout = \"1h\"\ndrain_timeout = \"2s\"";
    site.configure(&(endpoint + limits), "directory = \"open\"");
    (site, collector)
}

/// Makes many calls, several of them in flight at once.
fn call(client: &mut Client) {
    let target = client.target(GET);
    let request = format!("POST {target} HTTP/1.1\r\nContent-Length: {}\r\n\r\n{BODY}", BODY.len());
    for _ in 0..CALLS / 100 {
        client.send(request.repeat(100).as_bytes()).unwrap();
        for _ in 0..100 {
            assert_eq!(client.answer(false).unwrap().code(), 0);
        }
    }
}

/// Stops a server and waits for its end. The deadline of that wait is far shorter than sending all spans would take.
#[track_caller]
fn stop(server: Server) {
    server.terminate();
    assert!(server.ended_well());
}

#[test]
fn a_collector_that_never_answers_does_not_delay_a_stop() {
    let (site, _collector) = site();
    let server = site.serve();
    call(&mut server.client());
    stop(server);
    let log = site.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("before the server stopped")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    let lost = lines[0].split("lost=").nth(1).unwrap().split(' ').next().unwrap();
    // All spans are counted, except those that an earlier line has already reported as lost.
    let earlier = log.lines().filter(|line| line.contains("could not be sent to")).count() - 1;
    assert!(lost.parse::<usize>().unwrap() >= CALLS - 512 * earlier, "{log}");
}

#[test]
fn an_unread_log_and_hanging_requests_do_not_delay_a_stop() {
    let (site, _collector) = site();
    // The log is not read, bodies never arrive, and an import is running.
    let (_unread, log) = std::io::pipe().unwrap();
    let server = Site::serve_by(site.command("serve").stdin(Stdio::null()).stderr(log));
    call(&mut server.client());
    let mut waiting: Vec<Client> = (0..20).map(|_| server.client()).collect();
    for (number, client) in waiting.iter_mut().enumerate() {
        let target = match number {
            0 => client.target("x").replace("/v4/x", "/interchange/import"),
            _ => client.target(GET),
        };
        let expects = "Expect: 100-continue\r\nContent-Length: 4000";
        client.send(format!("POST {target} HTTP/1.1\r\n{expects}\r\n\r\n").as_bytes()).unwrap();
        assert_eq!(client.answer(true).unwrap().status, 100, "the server asks for the body");
    }
    stop(server);
}
