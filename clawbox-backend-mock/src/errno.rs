//! Linux's error numbers, by name.

use std::{fmt, io};

macro_rules! errnos {
    ($($name:ident = $number:literal)*) => {
        /// Why a system call was refused. It prints as its name, such as `EROFS`.
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct Errno(i32);

        impl Errno {
            $(
                #[doc = concat!("`", stringify!($name), "`, ", stringify!($number), " on Linux.")]
                pub const $name: Self = Self($number);
            )*
        }

        impl fmt::Display for Errno {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.0 {
                    $($number => f.write_str(stringify!($name)),)*
                    other => write!(f, "E{other}"),
                }
            }
        }
    };
}

// The generic numbers of include/uapi/asm-generic/errno*.h, the same on x86 and ARM.
errnos! {
    EPERM = 1 ENOENT = 2 ESRCH = 3 EIO = 5 ENOEXEC = 8 EBADF = 9 EAGAIN = 11 ENOMEM = 12 EACCES = 13 EFAULT = 14 EBUSY = 16
    EEXIST = 17 EXDEV = 18 ENODEV = 19 ENOTDIR = 20 EISDIR = 21 EINVAL = 22 EMFILE = 24 EFBIG = 27 ENOSPC = 28
    EROFS = 30 ENAMETOOLONG = 36 ENOSYS = 38 EPROTONOSUPPORT = 93 EOPNOTSUPP = 95 EAFNOSUPPORT = 97 ENETUNREACH = 101
    ECONNRESET = 104
    ETIMEDOUT = 110 ECONNREFUSED = 111 ESTALE = 116
}

impl Errno {
    /// The error of this number.
    #[must_use]
    pub const fn from_number(number: i32) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0
    }

    /// What the host's system said, for the few things that are done on the host; `EIO` without a number.
    #[must_use]
    pub fn of(error: &io::Error) -> Self {
        error.raw_os_error().map_or(Self::EIO, Self)
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Errno {}
