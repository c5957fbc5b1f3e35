//! A client and a server of the control over tonic, in this process.
//!
//! They know the steps that loads are made of, deadlines, and metadata that a client sends; other metadata
//! is left to the programs of others.

mod call;
pub(super) mod client;
pub(super) mod server;

use serde_json::Value;
use tonic_prost::ProstCodec;

/// Where a client finds its server's script.
const SCRIPT: &str = "script-bin";
/// google.protobuf.BytesValue, as prost has it.
type Message = Vec<u8>;
type Codec = ProstCodec<Message, Message>;

/// The messages that a step sends.
fn messages(send: &Value) -> impl Iterator<Item = Message> + use<> {
    let message = match send["octets"].as_u64() {
        Some(octets) => vec![0; usize::try_from(octets).unwrap_or(0)],
        None => send["text"].as_str().unwrap_or_default().into(),
    };
    let count = send["count"].as_u64().unwrap_or(1);
    (0..count).map(move |_| message.clone())
}

/// The verb of a step and what it says.
fn verb(step: &Value) -> (&str, &Value) {
    let only = step.as_object().and_then(|step| step.iter().next());
    only.map_or(("nothing", &Value::Null), |(verb, what)| (verb, what))
}
