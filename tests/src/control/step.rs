//! What a client or a server of the control does: the words of a script.
//!
//! A script is JSON that the programs of `tests/peers` read; `tests/peers/README.md` has the words.
//! Decides nothing.

use serde_json::{Value, json};

/// One step of a script.
#[derive(Clone, Debug)]
pub struct Step(pub(super) Value);

/// Metadata: names and values, those of binary fields (`-bin`) in hexadecimal.
pub type Fields<'a> = &'a [(&'a str, &'a str)];

/// Both: sends a message of text.
pub fn send(text: &str) -> Step {
    Step(json!({ "send": { "text": text, "count": 1 } }))
}

/// Both: sends `count` messages of so many zero octets.
pub fn send_octets(count: usize, octets: usize) -> Step {
    Step(json!({ "send": { "octets": octets, "count": count } }))
}

/// A client: the same beside the steps that follow; the close waits for it.
pub fn send_aside(count: usize, octets: usize) -> Step {
    Step(json!({ "send": { "octets": octets, "count": count, "aside": true } }))
}

/// Both: reads so many messages, fewer if the other ends before.
pub fn read(count: usize) -> Step {
    Step(json!({ "read": count }))
}

/// Both: reads all messages to the other's end.
pub fn read_all() -> Step {
    Step(json!({ "read": -1 }))
}

/// Both: does nothing for a time.
pub fn sleep(milliseconds: u64) -> Step {
    Step(json!({ "sleep": milliseconds }))
}

/// A server: sends each message back, to the client's end.
pub fn echo() -> Step {
    Step(json!({ "echo": true }))
}

/// A server: waits until the call is over by somebody else's word.
pub fn hold() -> Step {
    Step(json!({ "hold": true }))
}

/// A server: sends as a message what metadata came whose names begin so.
pub fn tell(prefixes: &[&str]) -> Step {
    Step(json!({ "tell": prefixes }))
}

/// A server: sends its initial metadata now.
pub fn initial(fields: Fields) -> Step {
    Step(json!({ "initial": fields }))
}

/// A server: sets its trailing metadata.
pub fn trailing(fields: Fields) -> Step {
    Step(json!({ "trailing": fields }))
}

/// A server: ends the call with a status.
pub fn status(code: u8, message: &str) -> Step {
    Step(json!({ "status": { "code": code, "message": message } }))
}

/// A client: sends no more. It does so at the end of its steps in any case, and then reads all.
pub fn close() -> Step {
    Step(json!({ "close": true }))
}

/// A client: cancels the call.
pub fn cancel() -> Step {
    Step(json!({ "cancel": true }))
}

/// A client: waits until all calls of its part have come here or have ended.
pub fn meet() -> Step {
    Step(json!({ "meet": true }))
}
