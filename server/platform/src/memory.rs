//! The memory of this process.

/// Gives memory that was freed back to the system, as far as the allocator keeps it and can do so: glibc's keeps what each
/// thread has freed until it is asked. Takes milliseconds for each hundred megabytes; other threads wait when they allocate
/// meanwhile.
pub fn give_back() {
    // SAFETY: the function may be called at any time, from any thread, and changes nothing that is in use.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    unsafe {
        libc::malloc_trim(0);
    }
}
