//! Fields from text, and frames taken out of what a peer says.

use outrider_http2::{Field, Fields};

/// Takes a WINDOW_UPDATE of the whole connection out of frames.
pub fn without_connection_window(bytes: &mut Vec<u8>) {
    let update = [0, 0, 4, 8, 0, 0, 0, 0, 0];
    let at = bytes.windows(update.len()).position(|head| head == update);
    if let Some(at) = at {
        bytes.drain(at..at + update.len() + 4);
    }
}

/// What the PINGs among frames say, those that are no answers.
pub fn pings(bytes: &[u8]) -> impl Iterator<Item = String> {
    let frames = bytes.windows(17);
    let pings = frames.filter(|frame| frame.starts_with(&[0, 0, 8, 6, 0, 0, 0, 0, 0]));
    pings.map(|frame| String::from_utf8_lossy(&frame[9..]).into_owned())
}

pub fn fields(list: &[(&str, &str)]) -> Fields {
    let mut fields = Fields::new();
    for (name, value) in list {
        fields.push(Field {
            name: name.as_bytes(),
            value: value.as_bytes(),
            sensitive: false,
        });
    }
    fields
}

/// SETTINGS with MAX_CONCURRENT_STREAMS.
pub fn settings(streams_max: u32) -> Vec<u8> {
    let mut frame = vec![0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3];
    frame.extend(streams_max.to_be_bytes());
    frame
}
