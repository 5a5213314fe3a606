//! The Confluent wire format: a zero byte, a big-endian schema id, the Avro body.

/// The first byte of every framed message.
pub const MAGIC: u8 = 0;

/// Bytes in front of the Avro body.
pub const HEADER_LENGTH: usize = 5;

/// Why bytes are not a framed message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Fewer bytes than the header has.
    #[error("{0} bytes are too few for a schema id: a message starts with 0 and four bytes of id")]
    TooShort(usize),
    /// Another first byte.
    #[error("the first byte is {0:#04x}, not the 0x00 of a message with a schema id")]
    WrongMagic(u8),
}

/// Appends the header for `schema_id` to `out`.
pub fn frame(out: &mut Vec<u8>, schema_id: u32) {
    out.push(MAGIC);
    out.extend_from_slice(&schema_id.to_be_bytes());
}

/// Splits a message into its schema id and its Avro body.
pub fn parse(payload: &[u8]) -> Result<(u32, &[u8]), WireError> {
    let Some((header, body)) = payload.split_first_chunk::<HEADER_LENGTH>() else {
        return Err(WireError::TooShort(payload.len()));
    };
    let [magic, id @ ..] = *header;
    if magic != MAGIC {
        return Err(WireError::WrongMagic(magic));
    }
    Ok((u32::from_be_bytes(id), body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_framed_is_parsed(id: u32, body: Vec<u8>) {
            let mut message = Vec::new();
            frame(&mut message, id);
            message.extend_from_slice(&body);
            prop_assert_eq!(parse(&message), Ok((id, body.as_slice())));
        }
    }

    #[test]
    fn other_bytes_are_refused() {
        assert_eq!(parse(&[]), Err(WireError::TooShort(0)));
        assert_eq!(parse(&[0, 1, 2, 3]), Err(WireError::TooShort(4)));
        assert_eq!(parse(b"{\"a\":1}"), Err(WireError::WrongMagic(b'{')));
    }
}
