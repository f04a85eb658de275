//! Measures how many calls a server accepts per second, from outside and independently of the speed of the machine.

use crate::{
    harness::{Answer, Client},
    wait::eventually,
};

/// Returns the bytes of this many calls, to be sent at once.
pub(crate) fn burst(client: &Client, command: &str, body: &str, calls: usize) -> String {
    let target = client.target(command);
    format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len()).repeat(calls)
}

/// Asserts that exactly `limit` calls pass per second, where `refusal` is the code of the others.
///
/// Between two refusals there are only whole windows, and the last one of them was full, so at least `limit` calls
/// passed. It is exactly that number as soon as the calls come fast enough to fill a window before the next one
/// begins. On a busy machine that takes more bursts, but a wrong limit is always detected: a lower one immediately,
/// and a higher one because the exact number never occurs.
#[track_caller]
pub(crate) fn assert_calls_a_second(
    client: &mut Client,
    command: &str,
    body: &str,
    limit: usize,
    refusal: u64,
) {
    let requests = burst(client, command, body, limit + 5);
    // Whether there has been a refusal yet, and how many calls have passed since then.
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
