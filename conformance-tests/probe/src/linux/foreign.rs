//! System calls by other doors of the kernel's than this architecture's own: those of 32-bit programs. A filter
//! that only looks at the numbers of one door is open at the others.

use super::attempts::Attempt;

/// The whole table; empty where the probe knows no other door.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) const fn all() -> Vec<Attempt> {
    Vec::new()
}

/// The whole table.
#[cfg(target_arch = "x86_64")]
pub(crate) fn all() -> Vec<Attempt> {
    use super::attempts::{call, steps};

    /// What is added to a number for the 32-bit programs of 64-bit processors.
    const X32: i64 = 0x4000_0000;
    const NEW_USER: u32 = libc::CLONE_NEWUSER as u32;
    let x32 = |name, number, first: usize| call(name, X32 | number, &[first]);
    vec![
        // Numbers of arch/x86/entry/syscalls/syscall_32.tbl.
        steps("i386_getpid", || i386(20, 0)),
        steps("i386_ptrace", || i386(26, 0)),
        steps("i386_keyctl", || i386(288, 0)),
        steps("i386_unshare", || i386(310, NEW_USER)),
        steps("i386_socket", || i386(359, libc::AF_VSOCK as u32)),
        steps("i386_io_uring_setup", || i386(425, 0)),
        x32("x32_getpid", libc::SYS_getpid, 0),
        // As in syscall_64.tbl: x32 has a ptrace of its own.
        x32("x32_ptrace", 521, 0),
        x32("x32_keyctl", libc::SYS_keyctl, 0),
        x32("x32_unshare", libc::SYS_unshare, NEW_USER as usize),
        x32("x32_socket", libc::SYS_socket, libc::AF_VSOCK as usize),
        x32("x32_io_uring_setup", libc::SYS_io_uring_setup, 0),
    ]
}

/// A 32-bit call with this first argument, and zeros.
#[cfg(target_arch = "x86_64")]
fn i386(number: u32, first: u32) -> std::io::Result<()> {
    let answer: u64;
    // SAFETY: the calls of the table take numbers, or null where they take a pointer. rbx is given back as it was,
    // and what the kernel does not keep on this way is named.
    unsafe {
        std::arch::asm!(
            "xchg rbx, {first:r}",
            "int 0x80",
            "xchg rbx, {first:r}",
            first = inout(reg) u64::from(first) => _,
            inlateout("rax") u64::from(number) => answer,
            in("rcx") 0_u64,
            in("rdx") 0_u64,
            in("rsi") 0_u64,
            in("rdi") 0_u64,
            lateout("r8") _,
            lateout("r9") _,
            lateout("r10") _,
            lateout("r11") _,
        );
    }
    match answer as i32 {
        refused @ -4095..=-1 => Err(std::io::Error::from_raw_os_error(-refused)),
        _ => Ok(()),
    }
}
