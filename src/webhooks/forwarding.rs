//! Sends received webhooks on to another server, whose answers become the answers.

use std::{io::Read, sync::Arc, time::Duration};

use tokio::sync::Semaphore;
use ureq::Agent;

use super::sending::explain;
use crate::{address::Address, resolver};

/// How long a server has to answer. The vendor waits for 2 seconds.
const WITHIN: Duration = Duration::from_millis(1_800);
/// How many webhooks are sent on at once. Each occupies a thread.
const CONCURRENT: usize = 256;
/// The memory of a connection, in each direction.
const BUFFER_BYTES: usize = 16 << 10;
/// How much of an answer is read.
const ANSWER_BYTES: u64 = 1 << 20;

/// A received webhook that is sent on.
pub struct Forwarded {
    /// Where to send it.
    pub to: Address,
    /// Its query, as it came.
    pub query: String,
    /// The media type of its body.
    pub content_type: String,
    /// Its body.
    pub body: Vec<u8>,
}

/// The answer of the other server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwardee {
    /// The media type.
    pub content_type: Option<String>,
    /// The body, byte for byte.
    pub body: Vec<u8>,
}

/// A client for all servers that webhooks are sent on to.
pub struct Forwarder {
    agent: Agent,
    room: Arc<Semaphore>,
}

impl Default for Forwarder {
    /// Creates a client that follows no redirections and uses no proxy, because both would lead webhooks elsewhere.
    fn default() -> Forwarder {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .user_agent(concat!("confold/", env!("CARGO_PKG_VERSION")))
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections(CONCURRENT)
            .max_idle_connections_per_host(CONCURRENT)
            .input_buffer_size(BUFFER_BYTES)
            .output_buffer_size(BUFFER_BYTES)
            .timeout_global(Some(WITHIN))
            .build();
        Forwarder { agent: resolver::agent(config), room: Arc::new(Semaphore::new(CONCURRENT)) }
    }
}

impl Forwarder {
    /// Sends a webhook on and returns the answer. The time for that is limited.
    ///
    /// # Errors
    /// Returns why there is no answer with status 200. The text does not contain the address, which may have secrets.
    pub async fn forward(&self, webhook: Forwarded) -> Result<Forwardee, String> {
        let Ok(permit) = Arc::clone(&self.room).try_acquire_owned() else {
            return Err(format!("{CONCURRENT} webhooks are waiting for an answer already"));
        };
        let agent = self.agent.clone();
        let sending = tokio::task::spawn_blocking(move || {
            let answer = send(&agent, &webhook);
            drop(permit);
            answer
        });
        match tokio::time::timeout(WITHIN, sending).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err("the task that sends it failed".to_owned()),
            Err(_) => Err(late()),
        }
    }
}

fn late() -> String {
    explain(&ureq::Error::Timeout(ureq::Timeout::Global), WITHIN)
}

fn send(agent: &Agent, webhook: &Forwarded) -> Result<Forwardee, String> {
    let Forwarded { to, query, content_type, body } = webhook;
    let sent = agent.post(to.at("", query)).content_type(content_type).send(body.as_slice());
    let mut response = sent.map_err(|error| explain(&error, WITHIN))?;
    let status = response.status().as_u16();
    if status != 200 {
        return Err(format!("HTTP {status}"));
    }
    let content_type = response.headers().get("content-type").and_then(|value| value.to_str().ok());
    let content_type = content_type.map(str::to_owned);
    let mut body = Vec::new();
    let read = response.body_mut().as_reader().take(ANSWER_BYTES + 1).read_to_end(&mut body);
    match read {
        Err(_) => Err("the answer broke off".to_owned()),
        Ok(_) if body.len() as u64 > ANSWER_BYTES => {
            Err(format!("the answer is larger than {ANSWER_BYTES} bytes"))
        }
        Ok(_) => Ok(Forwardee { content_type, body }),
    }
}
