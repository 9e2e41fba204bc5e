//! Records of ended runs stay readable for ten minutes. They are packed until somebody reads them, so that a server
//! that runs tests all day stays small.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::processes::private_files;

/// A packed value above this size, in bytes, is stored in a file.
const IN_MEMORY: usize = 2 * 1024;

/// A value that is compressed while nobody uses it.
#[derive(Debug)]
pub(crate) struct Packed<T> {
    open: Option<T>,
    packed: Option<Form>,
}

#[derive(Debug)]
enum Form {
    InMemory(Box<[u8]>),
    InFile(PathBuf),
}

impl Form {
    fn unpack<T: DeserializeOwned>(&self) -> Option<T> {
        match self {
            Form::InMemory(bytes) => decode(bytes),
            Form::InFile(path) => decode(&fs::read(path).ok()?),
        }
    }
}

impl<T: Default> Default for Packed<T> {
    fn default() -> Self {
        Packed { open: Some(T::default()), packed: None }
    }
}

impl<T: Default + Serialize + DeserializeOwned> Packed<T> {
    /// The value, unpacked until the next [`Packed::pack`].
    pub(crate) fn open(&mut self) -> &mut T {
        let packed = self.packed.take();
        let unpack = || {
            packed.and_then(|form| form.unpack()).unwrap_or_else(|| {
                tracing::error!("the record of an ended run can't be read any more");
                T::default()
            })
        };
        self.open.get_or_insert_with(unpack)
    }

    /// Returns whether the value is unpacked.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Packs the value; a large one goes into `name` in `folder`, if there is one. A value that can't be packed stays.
    pub(crate) fn pack(&mut self, folder: Option<&Path>, name: &str) {
        let Some(bytes) = self.open.as_ref().and_then(encode) else { return };
        let file = folder.filter(|_| bytes.len() > IN_MEMORY).map(|folder| folder.join(name));
        self.packed = Some(match file.filter(|file| private_files::write(file, &bytes).is_ok()) {
            Some(file) => Form::InFile(file),
            None => Form::InMemory(bytes.into()),
        });
        self.open = None;
    }
}

/// Compressed MessagePack; `None` if it can't hold the value.
pub(crate) fn encode(value: &impl Serialize) -> Option<Vec<u8>> {
    rmp_serde::to_vec_named(value).ok().map(|bytes| lz4_flex::compress_prepend_size(&bytes))
}

/// The inverse of [`encode`].
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    rmp_serde::from_slice(&lz4_flex::decompress_size_prepended(bytes).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r4_a_packed_value_is_the_same_when_it_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        for count in [0, 3, 100_000] {
            let values: Vec<u32> = (0..count).collect();
            let mut packed = Packed::<Vec<u32>>::default();
            packed.open().clone_from(&values);
            for _ in 0..2 {
                packed.pack(Some(folder.path()), "values");
                assert_eq!(matches!(packed.packed, Some(Form::InFile(_))), count == 100_000);
                assert_eq!(*packed.open(), values);
            }
            packed.pack(None, "values");
            assert!(matches!(packed.packed, Some(Form::InMemory(_))), "without a folder it stays in memory");
            assert_eq!(*packed.open(), values);
        }
    }
}
