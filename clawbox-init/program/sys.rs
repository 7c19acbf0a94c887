//! System calls, as safe functions. All that the compiler cannot check for this program is in here.

#[cfg(target_arch = "aarch64")]
#[path = "sys/aarch64.rs"]
mod arch;
#[cfg(target_arch = "x86_64")]
#[path = "sys/x86_64.rs"]
mod arch;
mod files;
mod process;
mod sockets;
mod time;
mod tree;

use core::cell::{Cell, UnsafeCell};
use core::ffi::{CStr, c_char};

use self::arch::number;
pub(crate) use self::files::*;
pub(crate) use self::process::*;
pub(crate) use self::sockets::*;
pub(crate) use self::time::*;
pub(crate) use self::tree::*;

/// An error's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Errno(u16);

impl Errno {
    pub(crate) const ENOENT: Self = Self(2);
    pub(crate) const ESRCH: Self = Self(3);
    pub(crate) const EINTR: Self = Self(4);
    pub(crate) const EBADF: Self = Self(9);
    pub(crate) const EAGAIN: Self = Self(11);
    pub(crate) const EACCES: Self = Self(13);
    pub(crate) const EEXIST: Self = Self(17);
    pub(crate) const ENOTDIR: Self = Self(20);
    pub(crate) const EISDIR: Self = Self(21);
    pub(crate) const EINVAL: Self = Self(22);
    pub(crate) const ENAMETOOLONG: Self = Self(36);
    pub(crate) const ELOOP: Self = Self(40);

    pub(crate) fn number(self) -> u32 {
        u32::from(self.0)
    }

    /// The error of this number, as another process gave it.
    pub(crate) fn from_number(number: u32) -> Self {
        Self(u16::try_from(number).unwrap_or(Self::EINVAL.0))
    }
}

pub(crate) type Result<T> = core::result::Result<T, Errno>;

/// Makes a system call with the arguments that it has, and zeros.
///
/// # Safety
///
/// What the call does with the memory that the arguments point to must be sound.
unsafe fn syscall<const N: usize>(number: usize, arguments: [usize; N]) -> Result<usize> {
    let mut all = [0; 6];
    all[..N].copy_from_slice(&arguments);
    // SAFETY: the caller's promise.
    let result = unsafe { arch::syscall(number, all) };
    match usize::try_from(result) {
        Ok(value) => Ok(value),
        // The kernel's errors are from 1 to 4095.
        Err(_) => Err(Errno(u16::try_from(-result).unwrap_or(Errno::EINVAL.0))),
    }
}

/// Makes a system call that reads and writes no memory of this program.
fn call<const N: usize>(number: usize, arguments: [usize; N]) -> Result<usize> {
    // SAFETY: every use of this function, all of them in `sys`, passes numbers only.
    unsafe { syscall(number, arguments) }
}

/// Makes a system call that the manager asked for, and gives what it gave.
pub(crate) fn call_as_asked(number: u64, arguments: [u64; 6]) -> i64 {
    let word = |wide: u64| usize::try_from(wide).unwrap_or(usize::MAX);
    // SAFETY: nothing here can promise it. The manager is who gave this program everything that it does, and asks for
    // calls that change nothing; the protocol says so.
    let result = unsafe { arch::syscall(word(number), arguments.map(word)) };
    i64::try_from(result).unwrap_or(i64::MIN)
}

/// Memory that is there from the start and is handed out once. Nothing atomic is needed for that, which on ARM would
/// want a C library to ask what the processor can do.
pub(crate) struct Once<T> {
    taken: Cell<bool>,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached through `take` only, which gives it to one caller; and the program has one thread.
unsafe impl<T: Send> Sync for Once<T> {}

impl<T> Once<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self {
            taken: Cell::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// The value, the first time.
    #[expect(
        clippy::mut_from_ref,
        reason = "it is handed out once, which is checked"
    )]
    pub(crate) fn take(&'static self) -> Option<&'static mut T> {
        if self.taken.replace(true) {
            return None;
        }
        // SAFETY: only the first caller comes here, so that there is no other reference.
        Some(unsafe { &mut *self.value.get() })
    }
}

/// Gives memory back to the kernel. What is in it is lost where whole pages are within, and zeros then.
pub(crate) fn give_back(memory: &mut [u8]) {
    /// The largest page that either architecture has.
    const PAGE: usize = 64 * 1024;
    const MADV_DONTNEED: usize = 4;

    let begin = memory.as_ptr() as usize;
    let first = begin.next_multiple_of(PAGE);
    let end = (begin + memory.len()) / PAGE * PAGE;
    if first < end {
        // SAFETY: the pages lie within `memory`, which is borrowed for writing, and any bytes are valid bytes. It has
        // nothing to say: where it fails, the memory stays.
        let _ = unsafe { syscall(number::MADVISE, [first, end - first, MADV_DONTNEED]) };
    }
}

/// The strings of an argument vector or an environment, as the kernel takes them.
pub(crate) struct Vector<const N: usize>([*const c_char; N]);

// SAFETY: the pointers are only ever those of strings that are borrowed while they are here, or null.
unsafe impl<const N: usize> Send for Vector<N> {}

impl<const N: usize> Vector<N> {
    pub(crate) const fn new() -> Self {
        Self([core::ptr::null(); N])
    }

    /// The strings with a null after them, or nothing where they are too many.
    pub(crate) fn fill<'a>(
        &'a mut self,
        strings: impl Iterator<Item = &'a CStr>,
    ) -> Option<Terminated<'a>> {
        let mut used = 0;
        for string in strings {
            *self.0.get_mut(used)? = string.as_ptr();
            used += 1;
        }
        *self.0.get_mut(used)? = core::ptr::null();
        Some(Terminated(&self.0[..=used]))
    }
}

/// Pointers to strings, the last of them null.
pub(crate) struct Terminated<'a>(&'a [*const c_char]);

/// What is called first, with the stack as the kernel left it: the number of arguments, then a pointer to each.
#[cfg(free_standing)]
unsafe extern "C" fn begin(stack: *const usize) -> ! {
    // SAFETY: the kernel put them there, for as long as the program lives.
    let count = unsafe { *stack };
    // SAFETY: after the number stand as many pointers, of which none is null.
    let arguments =
        unsafe { core::slice::from_raw_parts(stack.add(1).cast::<*const c_char>(), count) };
    let mut socket = None;
    if let &[_, only] = arguments {
        // SAFETY: each points to a string with a NUL at its end, which stays.
        socket = Some(unsafe { CStr::from_ptr(only) });
    }
    crate::run(socket)
}
