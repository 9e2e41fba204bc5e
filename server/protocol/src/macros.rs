//! One definition for each message, from which come both the public enum and the decoder that can name a bad field.
//!
//! serde's derive for internally tagged enums buffers a message before it looks at the fields, and so loses the name of
//! the field at fault. The macro therefore makes a private struct for each variant as well: the decoder reads the tag,
//! then that struct, straight from the bytes.

/// Defines an internally tagged message enum and its `decode_variant`.
macro_rules! messages {
    (
        $(#[$enum_meta:meta])*
        pub enum $name:ident {
            $(
                $(#[$meta:meta])*
                $variant:ident = $tag:literal
                $({ $(
                    $(#[doc = $doc:literal])* $(#[serde($($serde:tt)*)])? $(#[schemars($($schemars:tt)*)])?
                    $field:ident : $ty:ty
                ),* $(,)? })?
            ),* $(,)?
        }
    ) => {
        $(#[$enum_meta])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(tag = "type")]
        pub enum $name {
            $(
                $(#[$meta])*
                #[serde(rename = $tag)]
                $variant $({ $(
                    $(#[doc = $doc])* $(#[serde($($serde)*)])?
                    $(#[cfg_attr(feature = "schema", schemars($($schemars)*))])?
                    $field: $ty
                ),* })?
            ),*
        }

        impl $name {
            /// The tag of every variant, as it stands in the `type` field, in the order of definition.
            pub const TAGS: &'static [&'static str] = &[$($tag),*];

            /// The `type` tag of this message.
            #[must_use]
            pub fn tag(&self) -> &'static str {
                match self { $( $name::$variant $({ $($field: _),* })? => $tag ),* }
            }

            pub(crate) fn decode_variant(tag: &str, bytes: &[u8]) -> Result<Self, $crate::DecodeError> {
                match tag {
                    $(
                        $tag => {
                            #[derive(serde::Deserialize)]
                            struct Wire {
                                #[serde(rename = "type")]
                                _tag: serde::de::IgnoredAny,
                                $($( $(#[serde($($serde)*)])? $field: $ty, )*)?
                            }
                            const FIELDS: &[&str] = &["type", $($( stringify!($field), )*)?];
                            let wire: Wire = $crate::codec::decode_struct($tag, FIELDS, bytes)?;
                            let Wire { _tag, $($( $field, )*)? } = wire;
                            Ok($name::$variant $({ $($field),* })?)
                        }
                    )*
                    other => Err($crate::DecodeError::unknown_type(other, Self::TAGS)),
                }
            }
        }
    };
}

pub(crate) use messages;
