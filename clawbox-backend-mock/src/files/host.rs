//! Writing to the host, where the plan binds a directory of its for writing.

use super::{Data, Open};
use std::{
    fs::OpenOptions,
    io::{self, Write},
    path::Path,
};

/// Writes all of it.
pub(super) fn write(path: &Path, data: Data<'_>, how: Open) -> io::Result<()> {
    let mut options = OpenOptions::new();
    match how {
        Open::Truncate => options.write(true).create(true).truncate(true),
        Open::Append => options.append(true).create(true),
        Open::New => options.write(true).create_new(true),
    };
    let mut file = options.open(path)?;
    match data {
        Data::Bytes(bytes) => file.write_all(bytes),
        Data::Zeros(count) => {
            let len = file.metadata()?.len();
            file.set_len(len + count)
        }
    }
}
