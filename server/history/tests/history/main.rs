//! The history through its public seam, with real files.

#[cfg(test)]
mod common;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod keeping;
#[cfg(test)]
mod reasons;
#[cfg(test)]
mod sharing;
#[cfg(test)]
mod threads;
#[cfg(test)]
mod turns;
