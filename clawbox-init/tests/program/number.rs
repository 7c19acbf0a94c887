//! The numbers of a few system calls.

#[cfg(target_arch = "x86_64")]
pub(crate) use x86_64::*;

#[cfg(target_arch = "aarch64")]
pub(crate) use aarch64::*;

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    pub(crate) const DUP: u64 = 32;
    pub(crate) const GETPPID: u64 = 110;
    pub(crate) const PRCTL: u64 = 157;
    pub(crate) const UNSHARE: u64 = 272;
}

#[cfg(target_arch = "aarch64")]
mod aarch64 {
    pub(crate) const DUP: u64 = 23;
    pub(crate) const UNSHARE: u64 = 97;
    pub(crate) const PRCTL: u64 = 167;
    pub(crate) const GETPPID: u64 = 173;
}
