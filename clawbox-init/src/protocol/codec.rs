//! Numbers and strings, to bytes and back.

use core::ffi::CStr;

use super::{Malformed, Sink};

/// Encodes a string: its length, its bytes and its NUL.
pub fn put_text(sink: &mut impl Sink, text: &CStr) {
    let bytes = text.to_bytes_with_nul();
    // Longer ones do not fit into a frame, which its sender finds.
    put_u32(sink, u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    sink.put(bytes);
}

pub(super) fn put_u32(sink: &mut impl Sink, number: u32) {
    sink.put(&number.to_le_bytes());
}

pub(super) fn put_u64(sink: &mut impl Sink, number: u64) {
    sink.put(&number.to_le_bytes());
}

/// What of a payload is still to be read.
pub(super) struct Rest<'a>(pub(super) &'a [u8]);

impl<'a> Rest<'a> {
    pub(super) fn bytes(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Malformed::Short)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn flag(&mut self) -> Result<bool, Malformed> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed::Value),
        }
    }

    pub(super) fn text(&mut self) -> Result<&'a CStr, Malformed> {
        let length = usize::try_from(self.u32()?).map_err(|_| Malformed::TooLong)?;
        CStr::from_bytes_with_nul(self.bytes(length)?).map_err(|_| Malformed::Text)
    }

    pub(super) fn all(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.0)
    }

    pub(super) fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Malformed::Trailing)
        }
    }
}
