//! The part of Python's pickle format that a dictionary of PyTorch tensors uses. Nothing is
//! executed; other classes become opaque values.

use std::collections::HashMap;

/// A value in a pickle.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `None`.
    Nothing,
    /// `True` or `False`.
    Bool(bool),
    /// An integer of at most 64 bits.
    Int(i64),
    /// A string.
    Text(String),
    /// A tuple or a list.
    Sequence(Vec<Value>),
    /// A dictionary, in the order of its entries.
    Dict(Vec<(Value, Value)>),
    /// A class or function by module and name.
    Global(String),
    /// A persistent identifier, which names a PyTorch storage.
    Persistent(Box<Value>),
    /// A view of a storage.
    Tensor(Box<View>),
    /// Anything else, by the name of its class.
    Opaque(String),
}

/// A tensor as a view of a storage.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// The storage's persistent identifier.
    pub storage: Value,
    /// Position of the first element in the storage.
    pub offset: usize,
    /// Elements along each axis.
    pub shape: Vec<usize>,
    /// Elements between neighbours along each axis.
    pub strides: Vec<usize>,
}

impl Value {
    /// The text, if the value is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if the value is a non-negative integer.
    pub fn count(&self) -> Option<usize> {
        match self {
            Self::Int(value) => usize::try_from(*value).ok(),
            _ => None,
        }
    }

    fn counts(&self) -> Option<Vec<usize>> {
        match self {
            Self::Sequence(values) => values.iter().map(Self::count).collect(),
            _ => None,
        }
    }
}

/// Reads one pickle and returns it with the number of bytes that it takes.
///
/// # Errors
/// The bytes end early, or use a part of the format that tensors do not need.
///
/// # References
/// Python's `pickletools`, protocols 2 to 5; `torch.serialization` for the persistent identifiers.
pub fn read(bytes: &[u8]) -> Result<(Value, usize), String> {
    let mut machine = Machine { bytes, at: 0, stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
    let value = machine.run()?;
    Ok((value, machine.at))
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: HashMap<usize, Value>,
}

impl Machine<'_> {
    fn run(&mut self) -> Result<Value, String> {
        loop {
            let [code] = self.take()?;
            match code {
                0x80 => drop(self.take::<1>()?),
                0x95 => drop(self.take::<8>()?),
                b'.' => return self.pop(),
                b'(' => self.marks.push(self.stack.len()),
                b'0' => drop(self.pop()?),
                b'1' => drop(self.since_mark()?),
                b'N' => self.stack.push(Value::Nothing),
                0x88 => self.stack.push(Value::Bool(true)),
                0x89 => self.stack.push(Value::Bool(false)),
                b'J' => {
                    let value = i32::from_le_bytes(self.take()?);
                    self.stack.push(Value::Int(value.into()));
                }
                b'K' => {
                    let value = u8::from_le_bytes(self.take()?);
                    self.stack.push(Value::Int(value.into()));
                }
                b'M' => {
                    let value = u16::from_le_bytes(self.take()?);
                    self.stack.push(Value::Int(value.into()));
                }
                0x8a => {
                    let [length] = self.take()?;
                    let digits = self.slice(length.into())?;
                    let value = small_integer(digits);
                    self.stack.push(value.map_or(Value::Opaque("a large integer".into()), Value::Int));
                }
                b'G' => {
                    let value = f64::from_be_bytes(self.take()?);
                    self.stack.push(Value::Opaque(format!("the number {value}")));
                }
                b'X' => {
                    let length = u32::from_le_bytes(self.take()?);
                    self.push_text(length as usize)?;
                }
                0x8c => {
                    let [length] = self.take()?;
                    self.push_text(length.into())?;
                }
                b'T' => {
                    let length = u32::from_le_bytes(self.take()?);
                    self.push_text(length as usize)?;
                }
                b'U' => {
                    let [length] = self.take()?;
                    self.push_text(length.into())?;
                }
                b'B' => {
                    let length = u32::from_le_bytes(self.take()?);
                    self.slice(length as usize)?;
                    self.stack.push(Value::Opaque("bytes".into()));
                }
                b'C' => {
                    let [length] = self.take()?;
                    self.slice(length.into())?;
                    self.stack.push(Value::Opaque("bytes".into()));
                }
                b']' | b')' | 0x8f => self.stack.push(Value::Sequence(Vec::new())),
                b't' | b'l' => {
                    let items = self.since_mark()?;
                    self.stack.push(Value::Sequence(items));
                }
                0x85..=0x87 => {
                    let count = usize::from(code - 0x84);
                    let start = self.stack.len().checked_sub(count).ok_or("a tuple lacks its items")?;
                    let items = self.stack.split_off(start);
                    self.stack.push(Value::Sequence(items));
                }
                b'a' => {
                    let item = self.pop()?;
                    self.extend(vec![item])?;
                }
                b'e' | 0x90 => {
                    let items = self.since_mark()?;
                    self.extend(items)?;
                }
                b'}' => self.stack.push(Value::Dict(Vec::new())),
                b'd' => {
                    let items = self.since_mark()?;
                    self.stack.push(Value::Dict(pairs(items)));
                }
                b's' => {
                    let (value, key) = (self.pop()?, self.pop()?);
                    self.insert(vec![key, value])?;
                }
                b'u' => {
                    let items = self.since_mark()?;
                    self.insert(items)?;
                }
                b'c' => {
                    let name = format!("{}.{}", self.line()?, self.line()?);
                    self.stack.push(Value::Global(name));
                }
                0x93 => {
                    let (name, module) = (self.pop()?, self.pop()?);
                    let name =
                        module.text().zip(name.text()).map(|(module, name)| format!("{module}.{name}"));
                    self.stack.push(Value::Global(name.ok_or("a class without a name")?));
                }
                b'R' | 0x81 => {
                    let (arguments, function) = (self.pop()?, self.pop()?);
                    self.stack.push(call(function, arguments));
                }
                // The state of an object: PyTorch keeps versions there, not tensors.
                b'b' => drop(self.pop()?),
                b'Q' => {
                    let name = self.pop()?;
                    self.stack.push(Value::Persistent(Box::new(name)));
                }
                b'q' => {
                    let [key] = self.take()?;
                    self.remember(key.into())?;
                }
                b'r' => {
                    let key = u32::from_le_bytes(self.take()?);
                    self.remember(key as usize)?;
                }
                0x94 => self.remember(self.memo.len())?,
                b'h' => {
                    let [key] = self.take()?;
                    self.recall(key.into())?;
                }
                b'j' => {
                    let key = u32::from_le_bytes(self.take()?);
                    self.recall(key as usize)?;
                }
                other => return Err(format!("byte {other:#04x} at {} is no known instruction", self.at - 1)),
            }
        }
    }

    fn slice(&mut self, length: usize) -> Result<&[u8], String> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or("it ends too early")?;
        let slice = &self.bytes[self.at..end];
        self.at = end;
        Ok(slice)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut array = [0; N];
        array.copy_from_slice(self.slice(N)?);
        Ok(array)
    }

    fn line(&mut self) -> Result<String, String> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|byte| *byte == b'\n').ok_or("it ends too early")?;
        let text = String::from_utf8_lossy(&rest[..length]).into_owned();
        self.at += length + 1;
        Ok(text)
    }

    fn push_text(&mut self, length: usize) -> Result<(), String> {
        let text = String::from_utf8_lossy(self.slice(length)?).into_owned();
        self.stack.push(Value::Text(text));
        Ok(())
    }

    fn pop(&mut self) -> Result<Value, String> {
        self.stack.pop().ok_or_else(|| "a value is missing".into())
    }

    fn since_mark(&mut self) -> Result<Vec<Value>, String> {
        let mark = self.marks.pop().filter(|mark| *mark <= self.stack.len()).ok_or("a mark is missing")?;
        Ok(self.stack.split_off(mark))
    }

    fn extend(&mut self, items: Vec<Value>) -> Result<(), String> {
        match self.stack.last_mut() {
            Some(Value::Sequence(list)) => list.extend(items),
            Some(Value::Opaque(_)) => {}
            _ => return Err("items without a list".into()),
        }
        Ok(())
    }

    fn insert(&mut self, items: Vec<Value>) -> Result<(), String> {
        match self.stack.last_mut() {
            Some(Value::Dict(entries)) => entries.extend(pairs(items)),
            Some(Value::Opaque(_)) => {}
            _ => return Err("entries without a dictionary".into()),
        }
        Ok(())
    }

    fn remember(&mut self, key: usize) -> Result<(), String> {
        let value = self.stack.last().ok_or("nothing to remember")?.clone();
        self.memo.insert(key, value);
        Ok(())
    }

    fn recall(&mut self, key: usize) -> Result<(), String> {
        let value = self.memo.get(&key).ok_or("a value is recalled before it is known")?.clone();
        self.stack.push(value);
        Ok(())
    }
}

fn pairs(items: Vec<Value>) -> Vec<(Value, Value)> {
    let mut items = items.into_iter();
    std::iter::from_fn(|| Some((items.next()?, items.next()?))).collect()
}

/// Little endian, two's complement.
fn small_integer(digits: &[u8]) -> Option<i64> {
    let sign = if digits.last().is_some_and(|digit| digit & 0x80 != 0) { 0xff } else { 0 };
    let mut bytes = [sign; 8];
    bytes.get_mut(..digits.len())?.copy_from_slice(digits);
    Some(i64::from_le_bytes(bytes))
}

fn call(function: Value, arguments: Value) -> Value {
    let (Value::Global(name), Value::Sequence(arguments)) = (function, arguments) else {
        return Value::Opaque("a call".into());
    };
    let view = |arguments: &[Value]| match arguments {
        [storage, offset, shape, strides, ..] => Some(Value::Tensor(Box::new(View {
            storage: storage.clone(),
            offset: offset.count()?,
            shape: shape.counts()?,
            strides: strides.counts()?,
        }))),
        _ => None,
    };
    let made = match name.as_str() {
        "collections.OrderedDict" if arguments.is_empty() => Some(Value::Dict(Vec::new())),
        // Files of 2017 use the shorter name, and `Parameter` objects.
        "torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor" => view(&arguments),
        "torch._utils._rebuild_parameter" | "torch.nn.parameter.Parameter" | "torch.Size" => {
            arguments.into_iter().next()
        }
        _ => None,
    };
    made.unwrap_or(Value::Opaque(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pickle_of_python_is_read() {
        // pickle.dumps({"a": (1, -2, 300, True, None), "b": [2**31, "a"]}, protocol=2)
        let bytes = b"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01(K\x01J\xfe\xff\xff\xffM,\x01\x88Ntq\x02X\x01\x00\x00\x00bq\x03]q\x04(\x8a\x05\x00\x00\x00\x80\x00h\x01eu.";
        let text = |t: &str| Value::Text(t.into());
        let tuple = vec![Value::Int(1), Value::Int(-2), Value::Int(300), Value::Bool(true), Value::Nothing];
        let list = vec![Value::Int(1 << 31), text("a")];
        let expected =
            Value::Dict(vec![(text("a"), Value::Sequence(tuple)), (text("b"), Value::Sequence(list))]);
        assert_eq!(read(bytes), Ok((expected, bytes.len())));
    }

    #[test]
    fn a_parameter_of_the_first_pytorch_is_a_tensor() {
        // Parameter(_rebuild_tensor(<storage "0">, 2, torch.Size((3,)), (1,))) with a state, written by Python 2.
        let bytes =
            b"ctorch.nn.parameter\nParameter\n(ctorch._utils\n_rebuild_tensor\n(U\x010QK\x02ctorch\nSize\n\
            ((K\x03ttR(K\x01ttRtR(\x88\x89}tb.";
        let found = read(bytes).map(|(value, _)| value);
        let view = View {
            storage: Value::Persistent(Box::new(Value::Text("0".into()))),
            offset: 2,
            shape: vec![3],
            strides: vec![1],
        };
        assert_eq!(found, Ok(Value::Tensor(Box::new(view))));
    }

    #[test]
    fn foreign_classes_are_opaque() {
        // pickle.dumps(os.system) called with a command.
        let bytes = b"cos\nsystem\n(X\x04\x00\x00\x00truetR.";
        assert_eq!(read(bytes).map(|(value, _)| value), Ok(Value::Opaque("os.system".into())));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_end_in_a_value_or_an_error(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..64)) {
            let _ = read(&bytes);
        }
    }
}
