"""A second engine, begun: it speaks the protocol of spec/vectors/README.md, decodes modules and runs a
handful of instructions, and says of everything else that it does not support it. Only Python's
standard library; written from spec/ alone. Run it with

    npx aivm conformance --engine "python3 examples/engine-skeleton/engine.py"

To make an engine of it: add instructions to TENSOR_OPS, then blocks, then the rules of validation.
"""

import base64
import hashlib
import json
import struct
import sys

DTYPES = ["bool", "u8", "i8", "i16", "i32", "i64"]
FORMATS = {"bool": "B", "u8": "B", "i8": "b", "i16": "h", "i32": "i", "i64": "q"}
BYTES = {"bool": 1, "u8": 1, "i8": 1, "i16": 2, "i32": 4, "i64": 8}
RANGES = {
    "bool": (0, 1),
    "u8": (0, 255),
    **{d: (-(1 << (8 * BYTES[d] - 1)), (1 << (8 * BYTES[d] - 1)) - 1) for d in DTYPES[2:]},
}
TRAPS = {
    "Unreachable": 1,
    "ShapeMismatch": 2,
    "OutOfGas": 6,
    "MemoryLimit": 7,
    "StackLimit": 8,
    "ElementLimit": 10,
}


class Unsupported(Exception):
    """What this engine does not do."""


class Malformed(Exception):
    """Bytes that are no module (spec/module.md)."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Refused(Exception):
    """Parameters or inputs that do not fit."""

    def __init__(self, status, code):
        super().__init__(code)
        self.status = status
        self.code = code


class Trap(Exception):
    def __init__(self, code, detail=0):
        super().__init__(code)
        self.code = code
        self.detail = detail


# The restricted MessagePack of spec/module.md.


class Reader:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, count):
        if self.at + count > len(self.data):
            raise Malformed("Truncated", f"the bytes end at {len(self.data)}")
        piece = self.data[self.at : self.at + count]
        self.at += count
        return piece

    def sized(self, size, least):
        """A number of that many bytes; below `least` a shorter form exists."""
        value = int.from_bytes(self.take(size), "big")
        if value < least:
            raise Malformed("NotCanonical", "not the shortest form")
        return value

    def int(self, low, high):
        tag = self.take(1)[0]
        if tag <= 0x7F:
            value = tag
        elif tag >= 0xE0:
            value = tag - 0x100
        elif tag in (0xCC, 0xCD, 0xCE):
            size = 1 << (tag - 0xCC)
            value = self.sized(size, {1: 0x80, 2: 0x100, 4: 0x10000}[size])
        elif tag in (0xD0, 0xD1, 0xD2, 0xD3):
            size = 1 << (tag - 0xD0)
            value = int.from_bytes(self.take(size), "big", signed=True)
            most = {1: -0x20, 2: -0x80, 4: -0x8000, 8: -0x80000000}[size]
            if value >= most and not (size == 8 and value > 0xFFFFFFFF):
                raise Malformed("NotCanonical", "not the shortest form")
        elif tag == 0xCF:
            raise Malformed("NotCanonical", "there is no uint 64")
        else:
            raise Malformed("UnexpectedType", f"an int, found tag {tag:#x}")
        if not low <= value <= high:
            raise Malformed("OutOfRange", f"{value} is outside {low} … {high}")
        return value

    def header(self, what, fix, forms, low, high):
        tag = self.take(1)[0]
        if fix is not None and fix[0] <= tag <= fix[1]:
            length = tag - fix[0]
        elif tag in forms:
            length = self.sized(*forms[tag])
        else:
            raise Malformed("UnexpectedType", f"{what}, found tag {tag:#x}")
        if not low <= length <= high:
            raise Malformed("Length", f"{what} of {length}")
        return length

    def array(self, low, high=None):
        high = low if high is None else high
        forms = {0xDC: (2, 16), 0xDD: (4, 0x10000)}
        length = self.header("an array", (0x90, 0x9F), forms, low, high)
        if length > len(self.data) - self.at:
            raise Malformed("Truncated", "more elements than bytes")
        return length

    def list(self, high, element):
        return [element() for _ in range(self.array(0, high))]

    def bin(self, low=0, high=0xFFFFFFFF):
        forms = {0xC4: (1, 0), 0xC5: (2, 0x100), 0xC6: (4, 0x10000)}
        return self.take(self.header("a bin", None, forms, low, high))

    def str(self, low, high):
        forms = {0xD9: (1, 32), 0xDA: (2, 0x100), 0xDB: (4, 0x10000)}
        data = self.take(self.header("a str", (0xA0, 0xBF), forms, low, high))
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            raise Malformed("Utf8", "a str that is not UTF-8") from None

    def end(self):
        if self.at != len(self.data):
            raise Malformed("TrailingBytes", "bytes after the end")


def sha256(*pieces):
    return hashlib.sha256(b"".join(pieces)).digest()


def merkle_root(leaves):
    if not leaves:
        return sha256()
    if len(leaves) == 1:
        return sha256(b"\0", leaves[0])
    left = 1
    while left * 2 < len(leaves):
        left *= 2
    return sha256(b"\1", merkle_root(leaves[:left]), merkle_root(leaves[left:]))


def decode_module(data):
    if data[:6] != bytes([0x98, 0xA4]) + b"aivm":
        raise Malformed("Signature", 'the bytes do not begin with "aivm"')
    reader = Reader(data)
    reader.array(8)
    reader.str(4, 4)
    if reader.int(0, 0xFFFFFFFF) != 1:
        raise Malformed("FormatVersion", "another format")
    parts = [reader.bin(1) for _ in range(4)]
    configuration = whole(parts[0], read_configuration)
    functions = whole(parts[1], lambda r: r.list(4096, lambda: read_function(r)))
    if parts[2] != b"\x90":
        raise Unsupported("aggregation code")
    leaves = []
    parameters = whole(parts[3], lambda r: r.list(65536, lambda: read_parameter(r, leaves)))
    count = len(parameters)
    if reader.array(0, 65536) != count:
        raise Malformed("Length", "data of another number of parameters")
    for parameter in parameters:
        if reader.at < len(data) and 0xC4 <= data[reader.at] <= 0xC6:
            parameter["data"] = reader.bin()
        else:
            reader.array(0)
    if reader.array(0, 256) != 0:
        raise Unsupported("provenance")
    reader.end()
    identity = sha256(
        b"aivm:module:v1\0", *[sha256(part) for part in parts[:3]], merkle_root(leaves)
    )
    return {"id": identity, "functions": functions, "parameters": parameters, **configuration}


def whole(part, read):
    reader = Reader(part)
    value = read(reader)
    reader.end()
    return value


def read_configuration(r):
    r.array(6)
    if r.int(0, 0xFFFFFFFF) != 1:
        raise Malformed("IsaVersion", "another instruction set")
    if r.int(0, 0xFFFFFFFF) != 1 or r.array(0, 64) != 0:
        raise Unsupported("validation of versions and features")
    dimensions = r.list(256, lambda: (r.array(2), r.str(1, 1024), r.int(1, 0x7FFFFFFF))[1:])
    entries = r.list(256, lambda: read_entry(r, dimensions))
    if r.array(0, len(entries)) != 0:
        raise Unsupported("aggregation")
    return {"dimensions": dimensions, "entries": entries}


def read_entry(r, dimensions):
    r.array(4)
    name, function = r.str(1, 1024), r.int(0, 0x7FFFFFFF)
    inputs = r.list(256, lambda: read_port(r, dimensions))
    outputs = r.list(256, lambda: read_port(r, dimensions))
    return {"name": name, "function": function, "inputs": inputs, "outputs": outputs}


def read_port(r, dimensions):
    r.array(4)
    name, dtype = r.str(1, 1024), DTYPES[r.int(0, 5)]
    shape = r.list(8, lambda: read_size(r, dimensions))
    if r.array(0, 3) != 0:
        raise Unsupported("ports with a scale")
    return {"name": name, "dtype": dtype, "shape": shape}


def read_size(r, dimensions):
    tag = r.data[r.at] if r.at < len(r.data) else 0
    if not (0x90 <= tag <= 0x9F or tag in (0xDC, 0xDD)):
        return r.int(0, 0x7FFFFFFF)
    r.array(4)
    dimension = r.int(0, len(dimensions) - 1)
    if [r.int(1, 0x7FFFFFFF), r.int(-0x80000000, 0x7FFFFFFF), r.int(1, 0x7FFFFFFF)] != [1, 0, 1]:
        raise Unsupported("derived dimensions")
    return (dimension,)


def read_types(r, most):
    return r.list(most, lambda: (r.array(2), DTYPES[r.int(0, 5)], r.int(0, 8))[1:])


def read_function(r):
    r.array(4)
    params, results, local_types = read_types(r, 256), read_types(r, 256), read_types(r, 4096)
    body = [read_instruction(r) for _ in range(r.array(1, 65536))]
    return {"params": params, "results": results, "locals": local_types, "body": body}


def read_parameter(r, leaves):
    start = r.at
    r.array(3)
    dtype, shape = DTYPES[r.int(0, 5)], r.list(8, lambda: r.int(0, 0x7FFFFFFF))
    root = r.bin(32, 32)
    leaves.append(r.data[start : r.at])
    return {"dtype": dtype, "shape": shape, "root": root, "data": None}


# Instructions: opcode → mnemonic and how each immediate is read.


def index(r):
    return r.int(0, 0x7FFFFFFF)


INSTRUCTIONS = {
    0x00: ("trap", [lambda r: r.int(0, 65535)]),
    0x05: ("end", []),
    0x0A: ("drop", []),
    0x0B: ("local.get", [index]),
    0x0C: ("local.set", [index]),
    0x0D: ("local.tee", [index]),
    0x10: ("const", [index]),
    0x30: ("add", []),
    0x31: ("sub", []),
    0x32: ("mul", []),
    0x37: ("min", []),
    0x38: ("max", []),
    0x60: ("reshape", [lambda r: r.list(8, lambda: r.int(-10, 0x7FFFFFFF))]),
}


def read_instruction(r):
    length = r.array(1, 16)
    code = r.int(0, 255)
    if code not in INSTRUCTIONS:
        raise Unsupported(f"the instruction of opcode {code:#04x}")
    op, immediates = INSTRUCTIONS[code]
    if length != 1 + len(immediates):
        raise Malformed("Length", f"{op} takes {len(immediates)} immediates")
    return (op, [read(r) for read in immediates])


# Running (spec/execution.md). A tensor is {"dtype", "shape", "values", "free"}.


def tensor(dtype, shape, values, free=False):
    return {"dtype": dtype, "shape": list(shape), "values": values, "free": free}


def count(shape):
    product = 1
    for size in shape:
        product *= size
    return product


def charged(shape):
    return count([max(size, 1) for size in shape])


def charged_bytes(x):
    return charged(x["shape"]) * BYTES[x["dtype"]]


def broadcast(a, b):
    rank = max(len(a), len(b))
    shape = []
    for x, y in zip([1] * (rank - len(a)) + a, [1] * (rank - len(b)) + b):
        if x != y and x != 1 and y != 1:
            raise Trap("ShapeMismatch")
        shape.append(y if x == 1 else x)
    return shape


def stretched(x, shape):
    """The elements of x broadcast to a shape, row-major."""
    own = [1] * (len(shape) - len(x["shape"])) + x["shape"]
    positions, stride = [0], 1
    steps = []
    for size in reversed(own):
        steps.insert(0, 0 if size == 1 else stride)
        stride *= size
    for size, step in zip(shape, steps):
        positions = [p + i * step for p in positions for i in range(size)]
    return [x["values"][p] for p in positions]


def rows(shape):
    return charged(shape[:-1])


def light(dtype, shape):
    per_element = {"i32": 500, "i64": 750}.get(dtype, 350)
    return per_element * charged(shape) + 1_000 * rows(shape)


def product(dtype, shape):
    return (3_400 if dtype == "i64" else 450) * charged(shape)


def elementwise(meaning, gas=light):
    def run(machine, a, b):
        shape = broadcast(a["shape"], b["shape"])
        y = tensor(a["dtype"], shape, None)
        machine.charge(1_500_000 + gas(a["dtype"], shape))
        machine.admit(y)
        low, high = RANGES[a["dtype"]]
        pairs = zip(stretched(a, shape), stretched(b, shape))
        y["values"] = [min(max(meaning(p, q), low), high) for p, q in pairs]
        return y

    return run


def reshape(machine, x, dims):
    shape = [x["shape"][-3 - d] if d <= -3 else d for d in dims]
    total = count(x["shape"])
    if -1 in shape:
        rest = count([d for d in shape if d != -1])
        if rest == 0 or total % rest != 0:
            raise Trap("ShapeMismatch")
        shape[shape.index(-1)] = total // rest
    if count(shape) != total:
        raise Trap("ShapeMismatch")
    y = tensor(x["dtype"], shape, x["values"])
    machine.charge(1_500_000)
    machine.admit(y)
    return y


BINARY = {
    "add": elementwise(lambda a, b: a + b),
    "sub": elementwise(lambda a, b: a - b),
    "mul": elementwise(lambda a, b: a * b, product),
    "min": elementwise(min),
    "max": elementwise(max),
}


class Machine:
    """One run of a function without blocks and calls."""

    def __init__(self, module, entry, limits):
        self.module, self.entry, self.limits = module, entry, limits
        self.function = module["functions"][entry["function"]]
        self.stack, self.locals, self.gas, self.pc = [], [], 0, 0
        self.parameters = [
            tensor(p["dtype"], p["shape"], unpack(p["dtype"], p["data"]), True)
            for p in module["parameters"]
        ]

    def charge(self, gas):
        if self.gas + gas > int(self.limits["gas"]):
            raise Trap("OutOfGas")
        self.gas += gas

    def reserve(self, slots):
        if len(self.stack) + len(self.locals) + slots > self.limits["stackDepth"]:
            raise Trap("StackLimit")

    def admit(self, *results):
        if any(charged(x["shape"]) > self.limits["elements"] for x in results):
            raise Trap("ElementLimit")
        alive = {id(x): x for x in [*self.stack, *self.locals, *results]}.values()
        if sum(charged_bytes(x) for x in alive if not x["free"]) > self.limits["memoryBytes"]:
            raise Trap("MemoryLimit")

    def run(self, inputs, bindings):
        self.reserve(len(self.function["params"]) + len(self.function["locals"]))
        for x in inputs:
            self.admit(x)
            self.stack.append(x)
        initial = [tensor(d, [0] * r, [0] * (r == 0), True) for d, r in self.function["locals"]]
        self.locals, self.stack = [*inputs, *initial], []
        while self.pc < len(self.function["body"]):
            op, imm = self.function["body"][self.pc]
            self.step(op, imm)
            if op == "end":
                # The last instruction: the results must be what the ports say.
                if not bind(self.module, self.entry["outputs"], self.stack, bindings):
                    raise Trap("ShapeMismatch")
            self.pc += 1
        return self.stack

    def step(self, op, imm):
        stack = self.stack
        if op in BINARY:
            y = BINARY[op](self, stack[-2], stack[-1])
            stack[-2:] = [y]
            return
        if op == "reshape":
            stack[-1] = reshape(self, stack[-1], *imm)
            return
        self.charge(100_000)
        if op == "trap":
            raise Trap("Unreachable", imm[0])
        if op == "drop":
            stack.pop()
        elif op == "local.set":
            self.locals[imm[0]] = stack.pop()
        elif op == "local.tee":
            self.locals[imm[0]] = stack[-1]
        elif op in ("local.get", "const"):
            self.reserve(1)
            stack.append((self.locals if op == "local.get" else self.parameters)[imm[0]])


def check_supported(module):
    """Validation is not done here: what might be invalid is not run."""
    for function in module["functions"]:
        stack = []
        types = function["params"] + function["locals"]
        for at, (op, imm) in enumerate(function["body"]):
            space = {"const": len(module["parameters"])}.get(op, len(types))
            if op in ("local.get", "local.set", "local.tee", "const") and imm[0] >= space:
                raise Unsupported("validation")
            if op == "const":
                p = module["parameters"][imm[0]]
                stack.append((p["dtype"], len(p["shape"])))
            elif op == "local.get":
                stack.append(types[imm[0]])
            elif op in BINARY:
                if len(stack) < 2 or stack[-1][0] != stack[-2][0]:
                    raise Unsupported("validation")
                if stack[-1][0] == "bool" and op in ("add", "sub", "mul"):
                    raise Unsupported("validation")
                b, a = stack.pop(), stack.pop()
                stack.append((a[0], max(a[1], b[1])))
            elif op == "reshape":
                dims = imm[0]
                if -2 in dims:
                    raise Unsupported("reshape with a shape operand")
                if not stack or dims.count(-1) > 1 or any(-3 - d >= stack[-1][1] for d in dims):
                    raise Unsupported("validation")
                stack[-1] = (stack[-1][0], len(dims))
            elif op == "end":
                if at != len(function["body"]) - 1 or stack != function["results"]:
                    raise Unsupported("validation")
            elif not stack or (op != "drop" and op != "trap" and stack[-1] != types[imm[0]]):
                raise Unsupported("validation")
            elif op == "trap":
                raise Unsupported("validation of unreachable code")
            elif op != "local.tee":
                stack.pop()
        if function["body"][-1][0] != "end":
            raise Unsupported("validation")
    for entry in module["entries"]:
        if entry["function"] >= len(module["functions"]):
            raise Unsupported("validation")
        function = module["functions"][entry["function"]]
        for ports, types in ((entry["inputs"], "params"), (entry["outputs"], "results")):
            if [(p["dtype"], len(p["shape"])) for p in ports] != function[types]:
                raise Unsupported("validation")


def link(module, store):
    for parameter in module["parameters"]:
        if parameter["data"] is None:
            data = store.get(parameter["root"].hex())
            if data is None:
                raise Refused("link", "MissingParameter")
            parameter["data"] = base64.b64decode(data)
        data = parameter["data"]
        if len(data) != count(parameter["shape"]) * BYTES[parameter["dtype"]]:
            raise Refused("link", "ParameterLength")
        chunks = [data[i : i + 65536] for i in range(0, len(data), 65536)]
        if merkle_root(chunks) != parameter["root"]:
            raise Refused("link", "ParameterRoot")
        if parameter["dtype"] == "bool" and any(byte > 1 for byte in data):
            raise Refused("link", "ParameterBool")


def bind(module, ports, tensors, bindings):
    for port, x in zip(ports, tensors):
        for size, actual in zip(port["shape"], x["shape"]):
            if isinstance(size, tuple):
                if actual > module["dimensions"][size[0]][1]:
                    return False
                if bindings.setdefault(size[0], actual) != actual:
                    return False
            elif size != actual:
                return False
    return True


def unpack(dtype, data):
    return list(struct.unpack(f"<{len(data) // BYTES[dtype]}{FORMATS[dtype]}", data))


def pack(x):
    return struct.pack(f"<{len(x['values'])}{FORMATS[x['dtype']]}", *x["values"])


def tensors_hash(tensors):
    hashes = [
        sha256(
            b"aivm:tensor:v1\0",
            bytes([DTYPES.index(x["dtype"]), len(x["shape"])]),
            struct.pack(f"<{len(x['shape'])}Q", *x["shape"]),
            pack(x),
        )
        for x in tensors
    ]
    return sha256(b"aivm:tensors:v1\0", struct.pack("<I", len(hashes)), *hashes)


def receipt_hash(module, entry, request, input_hash, trap, output_hash, gas, where):
    name = entry["name"].encode()
    names = ("gas", "memoryBytes", "stackDepth", "callDepth", "elements")
    limits = [int(request["limits"][limit]) for limit in names]
    number, detail = (0, 0) if trap is None else (TRAPS[trap.code], trap.detail)
    return sha256(
        b"aivm:receipt:v1\0",
        module["id"],
        struct.pack("<I", len(name)) + name,
        b"\0" + bytes.fromhex(request["seed"]),
        struct.pack("<5Q", *limits),
        input_hash,
        struct.pack("<B3I", number, detail, *where),
        output_hash,
        struct.pack("<QII", gas, 1, 1),
    )


def read_inputs(entry, given):
    by_name = {x["name"]: x for x in given}
    names = {port["name"] for port in entry["inputs"]}
    if not names <= set(by_name):
        raise Refused("input", "MissingInput")
    if names != set(by_name):
        raise Refused("input", "UnknownInput")
    inputs = []
    for port in entry["inputs"]:
        x = by_name[port["name"]]
        if "data" not in x:
            raise Refused("input", "Value")  # reals, for a port without a scale
        data = base64.b64decode(x["data"])
        if len(x["shape"]) != len(port["shape"]):
            raise Refused("input", "Shape")
        if len(data) != count(x["shape"]) * BYTES[port["dtype"]]:
            raise Refused("input", "Shape")
        if port["dtype"] == "bool" and any(byte > 1 for byte in data):
            raise Refused("input", "Value")
        inputs.append(tensor(port["dtype"], x["shape"], unpack(port["dtype"], data)))
    return inputs


def run(request):
    module = decode_module(base64.b64decode(request["module"]))
    check_supported(module)
    link(module, request["parameters"])
    entries = [e for e in module["entries"] if e["name"] == request.get("entry", e["name"])]
    if not entries:
        raise Refused("input", "Entry")
    entry = entries[0]
    inputs = read_inputs(entry, request["inputs"])
    bindings = {}
    if not bind(module, entry["inputs"], inputs, bindings):
        raise Refused("input", "Shape")
    machine = Machine(module, entry, request["limits"])
    input_hash, output_hash, trap = tensors_hash(inputs), bytes(32), None
    answer, where = {"status": "finished"}, (0, 0)
    try:
        results = machine.run(inputs, bindings)
        output_hash = tensors_hash(results)
        answer["outputHash"] = output_hash.hex()
        answer["outputs"] = [
            {
                "name": port["name"],
                "dtype": x["dtype"],
                "shape": x["shape"],
                "data": base64.b64encode(pack(x)).decode(),
            }
            for port, x in zip(entry["outputs"], results)
        ]
    except Trap as stopped:
        trap, where = stopped, (entry["function"], machine.pc)
        answer = {"status": "trap"}
        answer["trap"] = {"code": trap.code, "function": where[0], "pc": where[1]}
        if trap.code == "Unreachable":
            answer["trap"]["detail"] = trap.detail
    gas = machine.gas
    receipt = receipt_hash(
        module, entry, request, input_hash, trap, output_hash, gas, where
    )
    return {
        **answer,
        "gasUsed": str(gas),
        "moduleId": module["id"].hex(),
        "inputHash": input_hash.hex(),
        "receiptHash": receipt.hex(),
    }


def answer(request):
    if request["op"] == "hello":
        return {"status": "ready", "engine": "skeleton in Python"}
    if request["op"] != "run":
        return {"status": "unsupported", "message": request["op"]}
    try:
        return run(request)
    except Unsupported as what:
        return {"status": "unsupported", "message": str(what)}
    except Malformed as error:
        return {"status": "malformed", "code": error.code, "message": str(error)}
    except Refused as error:
        return {"status": error.status, "code": error.code}


def main():
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps({"id": request["id"], **answer(request)}), flush=True)


if __name__ == "__main__":
    main()
