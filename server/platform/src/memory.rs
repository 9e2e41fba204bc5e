//! The memory of this process. The program's own allocator is mimalloc; libraries in C use that of the system.

/// mimalloc's `mi_option_purge_delay`, for which the bindings have no name.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// Makes mimalloc give each free page back to the system at once, instead of some time after the next use of it, which may
/// be long. To be called before other threads begin.
pub fn keep_no_free_pages() {
    // SAFETY: the option exists, and no other thread sets one.
    unsafe {
        libmimalloc_sys::mi_option_set(PURGE_DELAY, 0);
    }
}

/// Gives memory that was freed back to the system, as far as an allocator keeps it and can do so: glibc's keeps what each
/// thread has freed until it is asked. Takes milliseconds for each hundred megabytes; other threads wait when they allocate
/// meanwhile.
pub fn give_back() {
    // SAFETY: the functions may be called at any time, from any thread, and change nothing that is in use.
    unsafe {
        libmimalloc_sys::mi_collect(true);
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        libc::malloc_trim(0);
    }
}
