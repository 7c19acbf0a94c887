//! 64-bit ARM: the door to the kernel, the way in, and what the compiler takes for granted.

use core::arch::asm;
#[cfg(free_standing)]
use core::arch::global_asm;

/// Makes a system call.
///
/// # Safety
///
/// What the call does with the memory that the arguments point to must be sound.
pub(super) unsafe fn syscall(number: usize, arguments: [usize; 6]) -> isize {
    let [a, b, c, d, e, f] = arguments;
    let result;
    // SAFETY: the registers are those of the kernel's calling convention, which keeps all others; the memory is the
    // caller's promise.
    unsafe {
        asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") a => result,
            in("x1") b,
            in("x2") c,
            in("x3") d,
            in("x4") e,
            in("x5") f,
            options(nostack),
        );
    }
    result
}

// The kernel starts a program with the arguments on the stack and nothing else set up.
#[cfg(free_standing)]
global_asm!(
    ".globl _start",
    "_start:",
    "mov x29, xzr",
    "mov x30, xzr",
    "mov x0, sp",
    "bl {begin}",
    "brk 1",
    begin = sym super::begin,
);

// In assembly, so that no loop is taken for a call of the function that it stands in.
#[cfg(free_standing)]
global_asm!(
    ".globl memcpy, memmove, memset, memcmp, bcmp, strlen",
    "memmove:",
    "sub x3, x0, x1",
    "cmp x3, x2",
    // Towards higher addresses unless the destination begins within the source.
    "b.hs memcpy",
    "2:",
    "cbz x2, 3f",
    "sub x2, x2, 1",
    "ldrb w3, [x1, x2]",
    "strb w3, [x0, x2]",
    "b 2b",
    "3:",
    "ret",
    "memcpy:",
    "mov x3, x0",
    "2:",
    "cmp x2, 8",
    "b.lo 3f",
    "ldr x4, [x1], 8",
    "str x4, [x3], 8",
    "sub x2, x2, 8",
    "b 2b",
    "3:",
    "cbz x2, 4f",
    "ldrb w4, [x1], 1",
    "strb w4, [x3], 1",
    "sub x2, x2, 1",
    "b 3b",
    "4:",
    "ret",
    "memset:",
    "mov x3, x0",
    "2:",
    "cbz x2, 3f",
    "strb w1, [x3], 1",
    "sub x2, x2, 1",
    "b 2b",
    "3:",
    "ret",
    "memcmp:",
    "bcmp:",
    "mov x3, x0",
    "mov w0, wzr",
    "2:",
    "cbz x2, 3f",
    "ldrb w0, [x3], 1",
    "ldrb w4, [x1], 1",
    "sub x2, x2, 1",
    "subs w0, w0, w4",
    "b.eq 2b",
    "3:",
    "ret",
    "strlen:",
    "mov x1, x0",
    "2:",
    "ldrb w2, [x1], 1",
    "cbnz w2, 2b",
    "sub x0, x1, x0",
    "sub x0, x0, 1",
    "ret",
);

pub(super) mod number {
    pub(crate) const DUP3: usize = 24;
    pub(crate) const FCNTL: usize = 25;
    pub(crate) const IOCTL: usize = 29;
    pub(crate) const MKDIRAT: usize = 34;
    pub(crate) const UNLINKAT: usize = 35;
    pub(crate) const RENAMEAT: usize = 38;
    pub(crate) const CHDIR: usize = 49;
    pub(crate) const FCHMOD: usize = 52;
    pub(crate) const OPENAT: usize = 56;
    pub(crate) const CLOSE: usize = 57;
    pub(crate) const PIPE2: usize = 59;
    pub(crate) const GETDENTS64: usize = 61;
    pub(crate) const READ: usize = 63;
    pub(crate) const WRITE: usize = 64;
    pub(crate) const PPOLL: usize = 73;
    pub(crate) const SIGNALFD4: usize = 74;
    pub(crate) const READLINKAT: usize = 78;
    pub(crate) const NEWFSTATAT: usize = 79;
    pub(crate) const FSTAT: usize = 80;
    pub(crate) const TIMERFD_CREATE: usize = 85;
    pub(crate) const TIMERFD_SETTIME: usize = 86;
    pub(crate) const EXIT_GROUP: usize = 94;
    pub(crate) const CLOCK_GETTIME: usize = 113;
    pub(crate) const KILL: usize = 129;
    pub(crate) const RT_SIGACTION: usize = 134;
    pub(crate) const RT_SIGPROCMASK: usize = 135;
    pub(crate) const SETSID: usize = 157;
    pub(crate) const PRCTL: usize = 167;
    pub(crate) const GETPID: usize = 172;
    pub(crate) const SOCKET: usize = 198;
    pub(crate) const CONNECT: usize = 203;
    pub(crate) const SENDTO: usize = 206;
    pub(crate) const RECVMSG: usize = 212;
    pub(crate) const CLONE: usize = 220;
    pub(crate) const EXECVE: usize = 221;
    pub(crate) const MADVISE: usize = 233;
    pub(crate) const WAIT4: usize = 260;
    pub(crate) const CLOSE_RANGE: usize = 436;
}

/// Where `struct stat` has its `st_mode`.
pub(super) const STAT_MODE: usize = 16;
/// Where it has its `st_uid`.
pub(super) const STAT_OWNER: usize = 24;

pub(super) const O_DIRECTORY: usize = 0o40_000;
pub(super) const O_NOFOLLOW: usize = 0o100_000;
