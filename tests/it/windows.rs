//! How many calls a server lets pass in one of its seconds, seen from outside, however fast or slow this machine is.

use crate::{
    harness::{Answer, Client},
    wait::eventually,
};

/// Requests for as many calls, to be sent in one go.
pub(crate) fn burst(client: &Client, command: &str, body: &str, calls: usize) -> String {
    let target = client.target(command);
    format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len()).repeat(calls)
}

/// Asserts that exactly `limit` calls pass in a second, where `refusal` is the code of those beyond.
///
/// Between two refusals there are only whole windows, and the last one of them was full: at least `limit` calls. It is
/// exactly that number as soon as the calls come fast enough to fill a window without seeing another one begin. On a
/// busy machine that takes more bursts, but a wrong limit is found in any case: a lower one at once, a higher one because
/// the number is never seen.
#[track_caller]
pub(crate) fn assert_calls_a_second(
    client: &mut Client,
    command: &str,
    body: &str,
    limit: usize,
    refusal: u64,
) {
    let requests = burst(client, command, body, limit + 5);
    // Whether there was a refusal yet, and how many calls have passed since.
    let (mut was_refused, mut passed) = (false, 0);
    eventually(&format!("{limit} calls of {command} pass in a second"), || {
        client.send(requests.as_bytes()).unwrap();
        let codes: Vec<u64> =
            (0..limit + 5).map(|_| client.answer(false).as_ref().map(Answer::code).unwrap()).collect();
        let mut seen = false;
        for code in codes {
            if code != refusal {
                passed += 1;
                continue;
            }
            assert!(
                !was_refused || passed == 0 || passed >= limit,
                "only {passed} calls of {command} passed in a second"
            );
            seen |= was_refused && passed == limit;
            (was_refused, passed) = (true, 0);
        }
        seen
    });
}
