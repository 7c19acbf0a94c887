//! Errno and signal numbers to names.

use std::io;

macro_rules! name_of {
    ($number:expr, $prefix:literal, $($name:ident)*) => {
        match $number {
            $(libc::$name => stringify!($name).to_owned(),)*
            other => format!(concat!($prefix, "{}"), other),
        }
    };
}

/// The name of an errno, or `E` and its number.
pub(crate) fn name(number: i32) -> String {
    name_of!(number, "E",
        EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT
        ENOTBLK EBUSY EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG
        ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY
        ELOOP ENODATA EOVERFLOW EUSERS ENOTSOCK EDESTADDRREQ EMSGSIZE EPROTOTYPE ENOPROTOOPT
        EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP EPFNOSUPPORT EAFNOSUPPORT EADDRINUSE
        EADDRNOTAVAIL ENETDOWN ENETUNREACH ECONNABORTED ECONNRESET ENOBUFS EISCONN ENOTCONN
        ETIMEDOUT ECONNREFUSED EHOSTUNREACH EALREADY EINPROGRESS ESTALE EDQUOT ENOKEY EKEYEXPIRED
        EKEYREVOKED EKEYREJECTED)
}

/// The name of an error's errno; the kind of an error that has none.
pub(crate) fn of(error: &io::Error) -> String {
    error
        .raw_os_error()
        .map_or_else(|| format!("{:?}", error.kind()), name)
}

/// The name of a signal, or `SIG` and its number.
pub(crate) fn signal(number: i32) -> String {
    name_of!(number, "SIG", SIGSYS SIGKILL SIGSEGV SIGBUS SIGILL SIGABRT SIGTRAP SIGTERM SIGALRM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_the_kernel_says() {
        let error = std::fs::read_dir("/dev/null").expect_err("not a directory");
        assert_eq!(of(&error), "ENOTDIR");
        assert_eq!(name(200), "E200");
        assert_eq!(signal(libc::SIGSYS), "SIGSYS");
        assert_eq!(signal(40), "SIG40");
    }
}
