//! Descriptors, and what is read through them.

use core::ffi::CStr;

use super::arch::{self, number};
use super::{Errno, Result, call, syscall};

/// An open descriptor, closed when it is dropped.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fd(i32);

impl Fd {
    /// The descriptor that the kernel has just given.
    pub(super) fn given(number: usize) -> Result<Self> {
        i32::try_from(number).map(Self).map_err(|_| Errno::EINVAL)
    }

    /// The descriptor that came in a message.
    pub(super) fn passed(number: i32) -> Self {
        Self(number)
    }

    pub(super) fn number(&self) -> i32 {
        self.0
    }

    pub(super) fn argument(&self) -> usize {
        argument(self.0)
    }
}

impl Drop for Fd {
    fn drop(&mut self) {
        // The descriptor is gone whatever is answered.
        let _ = call(number::CLOSE, [self.argument()]);
    }
}

/// A descriptor's number as an argument.
pub(super) fn argument(number: i32) -> usize {
    number.cast_unsigned() as usize
}

/// The kernel's name for the working directory.
const AT_FDCWD: i32 = -100;
pub(super) const O_RDONLY: usize = 0;
const O_RDWR: usize = 2;
const O_ACCMODE: usize = 3;
pub(super) const O_NONBLOCK: usize = 0o4000;
pub(super) const O_CLOEXEC: usize = 0o2_000_000;
pub(super) const O_PATH: usize = 0o10_000_000;

const F_GETFD: usize = 1;
const F_SETFD: usize = 2;
const F_GETFL: usize = 3;
const FD_CLOEXEC: usize = 1;

const S_IFMT: u32 = 0o170_000;
const S_IFIFO: u32 = 0o010_000;

/// Opens a file to be read, without waiting for anything.
pub(crate) fn open(path: &CStr) -> Result<Fd> {
    open_as(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
}

pub(super) fn open_as(path: &CStr, flags: usize) -> Result<Fd> {
    // SAFETY: the path has a NUL at its end, and is only read.
    let opened = unsafe {
        syscall(
            number::OPENAT,
            [argument(AT_FDCWD), path.as_ptr() as usize, flags],
        )
    };
    Fd::given(opened?)
}

/// Sees to it that the descriptors 0, 1 and 2 are open, so that none of them is ever given to something else.
pub(crate) fn open_standard_streams() -> Result<()> {
    for stream in 0..=2 {
        if call(number::FCNTL, [stream, F_GETFD]).is_err() {
            // The lowest free number is this one.
            core::mem::forget(open_as(c"/dev/null", O_RDWR)?);
        }
    }
    Ok(())
}

/// Sees to it that no program that is started has any of the descriptors from 3 on.
pub(crate) fn close_on_exec_from_three() -> Result<()> {
    const CLOSE_RANGE_CLOEXEC: usize = 4;
    /// As many as a process may have open where nothing else is said.
    const USUAL: usize = 1024;

    let all = [3, u32::MAX as usize, CLOSE_RANGE_CLOEXEC];
    if call(number::CLOSE_RANGE, all).is_ok() {
        return Ok(());
    }
    // A kernel before 5.11. Above these the engine would have had to reach on purpose.
    for descriptor in 3..USUAL {
        match call(number::FCNTL, [descriptor, F_SETFD, FD_CLOEXEC]) {
            Ok(_) => {}
            Err(error) if error == Errno::EBADF => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Makes this the descriptor of a standard stream.
pub(crate) fn make_stream(from: &Fd, stream: usize) -> Result<()> {
    call(number::DUP3, [from.argument(), stream, 0]).map(drop)
}

/// Reads some of it.
pub(crate) fn read(from: &Fd, into: &mut [u8]) -> Result<usize> {
    // SAFETY: the kernel writes at most as many bytes as `into` holds.
    unsafe {
        syscall(
            number::READ,
            [from.argument(), into.as_mut_ptr() as usize, into.len()],
        )
    }
}

/// Writes some of it.
pub(crate) fn write(to: &Fd, bytes: &[u8]) -> Result<usize> {
    write_to(to.argument(), bytes)
}

pub(super) fn write_to(to: usize, bytes: &[u8]) -> Result<usize> {
    // SAFETY: the kernel reads what `bytes` holds.
    unsafe { syscall(number::WRITE, [to, bytes.as_ptr() as usize, bytes.len()]) }
}

/// Reads some of a directory's entries.
pub(crate) fn read_entries(from: &Fd, into: &mut Entries) -> Result<usize> {
    // SAFETY: the kernel writes at most as many bytes as `into` holds.
    unsafe {
        syscall(
            number::GETDENTS64,
            [from.argument(), into.0.as_mut_ptr() as usize, into.0.len()],
        )
    }
}

/// Room for some of a directory's entries, aligned as they are.
#[repr(align(8))]
pub(crate) struct Entries(pub(crate) [u8; 4096]);

/// Where a symbolic link points to, as far as there is room.
pub(crate) fn read_link(path: &CStr, into: &mut [u8]) -> Result<usize> {
    // SAFETY: the path has a NUL at its end; the kernel writes at most as many bytes as `into` holds.
    unsafe {
        syscall(
            number::READLINKAT,
            [
                argument(AT_FDCWD),
                path.as_ptr() as usize,
                into.as_mut_ptr() as usize,
                into.len(),
            ],
        )
    }
}

/// The kernel's `struct stat`, of which little is read.
#[repr(C, align(8))]
pub(super) struct Stat([u8; 256]);

impl Stat {
    /// Of what is open.
    pub(super) fn of(opened: &Fd) -> Result<Self> {
        let mut stat = Self([0; 256]);
        // SAFETY: the kernel's struct is smaller than ours on both architectures.
        unsafe { syscall(number::FSTAT, [opened.argument(), (&raw mut stat) as usize]) }?;
        Ok(stat)
    }

    /// Of a name itself, in a directory.
    pub(super) fn of_name(at: usize, name: &CStr) -> Result<Self> {
        const AT_SYMLINK_NOFOLLOW: usize = 0x100;

        let mut stat = Self([0; 256]);
        // SAFETY: the name has a NUL at its end; the kernel's struct is smaller than ours on both architectures.
        unsafe {
            syscall(
                number::NEWFSTATAT,
                [
                    at,
                    name.as_ptr() as usize,
                    (&raw mut stat) as usize,
                    AT_SYMLINK_NOFOLLOW,
                ],
            )
        }?;
        Ok(stat)
    }

    fn number(&self, at: usize) -> u32 {
        let [a, b, c, d] = [0, 1, 2, 3].map(|offset| self.0[at + offset]);
        u32::from_ne_bytes([a, b, c, d])
    }

    pub(super) fn mode(&self) -> u32 {
        self.number(arch::STAT_MODE)
    }

    /// The file's size, which stands at the same place on both architectures.
    pub(super) fn size(&self) -> u64 {
        const STAT_SIZE: usize = 48;
        u64::from(self.number(STAT_SIZE)) | u64::from(self.number(STAT_SIZE + 4)) << 32
    }
}

/// The `st_mode` of a path itself.
pub(crate) fn mode_of(path: &CStr) -> Result<u32> {
    stat(path).map(|stat| stat.mode())
}

/// The owner of a path itself, and its `st_dev` and `st_ino`, with which the struct begins. Both architectures are
/// little-endian.
pub(crate) fn identity_of(path: &CStr) -> Result<(u32, [u8; 16])> {
    let stat = stat(path)?;
    let mut identity = [0; 16];
    identity.copy_from_slice(&stat.0[..16]);
    Ok((stat.number(arch::STAT_OWNER), identity))
}

fn stat(path: &CStr) -> Result<Stat> {
    Stat::of_name(argument(AT_FDCWD), path)
}

/// Which way a pipe's end goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// It is read from.
    Out,
    /// It is written to.
    In,
}

/// Whether this is the end of a pipe that goes this way.
pub(crate) fn is_pipe(descriptor: &Fd, way: Way) -> Result<bool> {
    let stat = Stat::of(descriptor)?;
    let flags = call(number::FCNTL, [descriptor.argument(), F_GETFL])?;
    let access = flags & O_ACCMODE;
    let other = match way {
        Way::Out => 1,
        Way::In => 0,
    };
    Ok(stat.mode() & S_IFMT == S_IFIFO
        && flags & O_PATH == 0
        && access != other
        && access <= O_RDWR)
}

/// Whether this is a terminal, to be read from and written to.
pub(crate) fn is_terminal(descriptor: &Fd) -> bool {
    const TIOCGWINSZ: usize = 0x5413;

    let mut size = [0u16; 4];
    // SAFETY: the kernel writes four numbers of 16 bits, where it is one.
    let asked = unsafe {
        syscall(
            number::IOCTL,
            [
                descriptor.argument(),
                TIOCGWINSZ,
                size.as_mut_ptr() as usize,
            ],
        )
    };
    let flags = call(number::FCNTL, [descriptor.argument(), F_GETFL]);
    asked.is_ok() && flags.is_ok_and(|flags| flags & O_ACCMODE == O_RDWR)
}

/// Makes the terminal on standard input the one that controls this process's session.
pub(crate) fn control_by_terminal() -> Result<()> {
    const TIOCSCTTY: usize = 0x540e;

    call(number::IOCTL, [0, TIOCSCTTY, 0]).map(drop)
}

/// A pipe whose ends no program that is started has: the one to read from, without waiting, and the one to write to.
pub(crate) fn pipe() -> Result<(Fd, Fd)> {
    let mut ends = [0i32; 2];
    // SAFETY: the kernel writes two numbers.
    unsafe {
        syscall(
            number::PIPE2,
            [ends.as_mut_ptr() as usize, O_CLOEXEC | O_NONBLOCK],
        )
    }?;
    let [read, write] = ends;
    Ok((Fd(read), Fd(write)))
}
