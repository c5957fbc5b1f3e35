//! SETTINGS (RFC 9113 6.5): what a peer announces, checked.

use super::number;
use crate::ConnectionError;

/// Identifiers (RFC 9113 6.5.2).
pub(crate) mod setting {
    pub(crate) const HEADER_TABLE_SIZE: u16 = 1;
    pub(crate) const ENABLE_PUSH: u16 = 2;
    pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;
    pub(crate) const MAX_FRAME_SIZE: u16 = 5;
    pub(crate) const MAX_HEADER_LIST_SIZE: u16 = 6;
}

/// What one SETTINGS frame changes. The last of repeated values counts, so a frame full of
/// them costs one pass over the streams, not thousands.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct PeerSettings {
    /// Smallest and last value: the smallest evicts even when it is raised again at once.
    pub(crate) header_table_bytes: Option<(u32, u32)>,
    pub(crate) max_concurrent_streams: Option<u32>,
    /// 0..=2^31-1.
    pub(crate) initial_window: Option<u32>,
    pub(crate) enables_push: bool,
}

impl PeerSettings {
    /// # Errors
    /// FRAME_SIZE_ERROR when the payload is not whole settings; the setting's own code when a
    /// value is out of its range.
    pub(crate) fn parse(payload: &[u8]) -> Result<PeerSettings, ConnectionError> {
        let (settings, rest) = payload.as_chunks::<6>();
        if !rest.is_empty() {
            return Err(ConnectionError::frame_size(
                "SETTINGS is not a multiple of 6 octets",
            ));
        }
        let mut changes = PeerSettings::default();
        for [a, b, value @ ..] in settings {
            changes.apply(u16::from_be_bytes([*a, *b]), number(value))?;
        }
        Ok(changes)
    }

    fn apply(&mut self, identifier: u16, value: u32) -> Result<(), ConnectionError> {
        match identifier {
            setting::HEADER_TABLE_SIZE => {
                let smallest = self
                    .header_table_bytes
                    .map_or(value, |(smallest, _)| smallest.min(value));
                self.header_table_bytes = Some((smallest, value));
            }
            setting::ENABLE_PUSH if value > 1 => {
                return Err(ConnectionError::protocol("ENABLE_PUSH above 1"));
            }
            setting::ENABLE_PUSH => self.enables_push = value == 1,
            setting::MAX_CONCURRENT_STREAMS => self.max_concurrent_streams = Some(value),
            setting::INITIAL_WINDOW_SIZE if value > i32::MAX as u32 => {
                return Err(ConnectionError::flow_control(
                    "INITIAL_WINDOW_SIZE above 2^31-1",
                ));
            }
            setting::INITIAL_WINDOW_SIZE => self.initial_window = Some(value),
            setting::MAX_FRAME_SIZE if !(16_384..=0xff_ffff).contains(&value) => {
                return Err(ConnectionError::protocol("MAX_FRAME_SIZE out of range"));
            }
            // Our frames never exceed what every peer takes; the list size is advice.
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorCode;

    fn parse(settings: &[(u16, u32)]) -> Result<PeerSettings, ErrorCode> {
        let payload: Vec<u8> = settings
            .iter()
            .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        PeerSettings::parse(&payload).map_err(|error| error.code)
    }

    #[test]
    fn the_last_value_counts_and_unknown_ones_do_not() {
        let changes = parse(&[
            (4, 1),
            (4, 2),
            (1, 50),
            (1, 10),
            (1, 90),
            (3, 7),
            (0x4a4a, 1),
        ])
        .unwrap();
        assert_eq!(changes.initial_window, Some(2));
        assert_eq!(changes.header_table_bytes, Some((10, 90)));
        assert_eq!(changes.max_concurrent_streams, Some(7));
    }

    #[test]
    fn values_out_of_range_have_their_own_codes() {
        assert_eq!(parse(&[(2, 2)]), Err(ErrorCode::ProtocolError));
        assert_eq!(parse(&[(4, 1 << 31)]), Err(ErrorCode::FlowControlError));
        assert_eq!(parse(&[(5, 16_383)]), Err(ErrorCode::ProtocolError));
        assert_eq!(parse(&[(5, 1 << 24)]), Err(ErrorCode::ProtocolError));
        assert_eq!(
            PeerSettings::parse(&[0; 5]).unwrap_err().code,
            ErrorCode::FrameSizeError
        );
    }
}
