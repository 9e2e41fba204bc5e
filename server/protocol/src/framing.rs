//! Frames on a byte stream: a 4-byte little-endian length, then that many bytes of MessagePack.

/// The largest frame that is accepted or sent, in bytes without its length field: 64 MiB.
pub const MAX_FRAME: usize = 64 * 1024 * 1024;

/// Size of a frame's length field, in bytes.
pub(crate) const LENGTH: usize = 4;

/// The length field of a frame of this many bytes.
pub(crate) fn length_of(bytes: usize) -> Result<[u8; LENGTH], Oversized> {
    let length = u32::try_from(bytes).ok().filter(|_| bytes <= MAX_FRAME).ok_or(Oversized(bytes))?;
    Ok(length.to_le_bytes())
}

/// A frame announced a length over [`MAX_FRAME`]: the rest of the stream can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frame of {0} bytes is over the limit of {MAX_FRAME}; split the request")]
pub struct Oversized(pub usize);

/// Puts a message into its frame.
///
/// # Errors
/// [`Oversized`] if the message is longer than [`MAX_FRAME`].
pub fn frame(message: &[u8]) -> Result<Vec<u8>, Oversized> {
    let length = length_of(message.len())?;
    let mut framed = Vec::with_capacity(message.len() + LENGTH);
    framed.extend_from_slice(&length);
    framed.extend_from_slice(message);
    Ok(framed)
}

/// Cuts a byte stream into messages, in whatever pieces the bytes arrive.
#[derive(Debug, Default)]
pub struct FrameReader {
    buffer: Vec<u8>,
    read: usize,
}

impl FrameReader {
    /// A reader at the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes that arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.read);
        self.read = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message, if it has arrived.
    ///
    /// # Errors
    /// [`Oversized`]: the connection can't be used any more.
    pub fn next_message(&mut self) -> Result<Option<&[u8]>, Oversized> {
        let pending = self.buffer.get(self.read..).unwrap_or_default();
        let Some((length, rest)) = pending.split_first_chunk::<LENGTH>() else { return Ok(None) };
        let length = u32::from_le_bytes(*length) as usize;
        if length > MAX_FRAME {
            return Err(Oversized(length));
        }
        if rest.len() < length {
            return Ok(None);
        }
        let start = self.read + LENGTH;
        self.read = start + length;
        Ok(self.buffer.get(start..start + length))
    }

    /// Bytes that have arrived and are not yet read as messages.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.buffer.len() - self.read
    }

    /// Whether the stream stands inside a frame; the message is truncated if the stream ends here.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.read < self.buffer.len()
    }
}
