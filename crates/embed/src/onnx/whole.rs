//! Whether an ONNX file is all there.
//!
//! The file is one Protocol Buffers message, which has no end mark, and the runtime takes a cut one for a graph with
//! fewer outputs. Here the outermost fields are walked: each must fit into the file, and the graph and the versions of
//! its operators, which stand last, must be among them (`onnx.proto`, message `ModelProto`).

const GRAPH: u64 = 7;
const OPERATOR_VERSIONS: u64 = 8;

/// What is wrong with the file.
pub(super) fn check(mut bytes: &[u8]) -> Result<(), &'static str> {
    let (mut graph, mut versions) = (false, false);
    while !bytes.is_empty() {
        let field = skip_field(&mut bytes).ok_or("it is cut, or no message of this kind")?;
        graph |= field == GRAPH;
        versions |= field == OPERATOR_VERSIONS;
    }
    match (graph, versions) {
        (true, true) => Ok(()),
        (false, _) => Err("there is no graph in it"),
        (true, false) => Err("the versions of its operators are missing; it may be cut"),
    }
}

/// Moves behind a field and returns its number.
fn skip_field(bytes: &mut &[u8]) -> Option<u64> {
    let tag = variable(bytes)?;
    let length = match tag & 7 {
        0 => variable(bytes).map(|_| 0),
        1 => Some(8),
        2 => variable(bytes).and_then(|length| usize::try_from(length).ok()),
        5 => Some(4),
        _ => None,
    }?;
    *bytes = bytes.get(length..)?;
    Some(tag >> 3)
}

/// A number of seven bits a byte, the lowest first.
fn variable(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}
