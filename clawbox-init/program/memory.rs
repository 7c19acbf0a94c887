//! All the memory that is not on the stack. The kernel provides a page of it when it is first written to.

use crate::link::OUTGOING_BYTES;
use crate::protocol::{FROM_INIT_BYTES, STRINGS, TO_INIT_BYTES};
use crate::sys::{Once, Vector};

/// The payload of a frame that comes.
pub(crate) static INCOMING: Once<[u8; TO_INIT_BYTES as usize]> = Once::new([0; _]);

/// Frames that go.
pub(crate) static OUTGOING: Once<[u8; OUTGOING_BYTES]> = Once::new([0; _]);

/// What was read for an answer: as much as a frame holds beside the answer's number.
pub(crate) static ANSWER: Once<[u8; FROM_INIT_BYTES as usize - size_of::<i64>()]> =
    Once::new([0; _]);

/// A command's arguments and environment. Only its own process writes here, to its copy.
pub(crate) static ARGUMENTS: Once<Vector<{ STRINGS as usize + 1 }>> = Once::new(Vector::new());
pub(crate) static ENVIRONMENT: Once<Vector<{ STRINGS as usize + 1 }>> = Once::new(Vector::new());
