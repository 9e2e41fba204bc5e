//! The binary. Everything is in the library, so that rustdoc and tests see it.

/// Sources are read into many small objects, which the usual allocators make and free more slowly.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    std::process::exit(pytest_lens_cli::main(std::env::args_os()));
}
