//! The protocol from outside: what its bytes are, that they survive the way there and back, and what is said of bytes
//! that are wrong. One test binary, because each costs a link.

#[cfg(test)]
mod arbitrary;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod framing;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod inventory;
#[cfg(test)]
mod peer;
#[cfg(test)]
mod peer_types;
#[cfg(test)]
mod roundtrip;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod words;
