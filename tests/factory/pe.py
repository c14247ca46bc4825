"""As much of PE and of a TPM's arithmetic as a second opinion on a UKI needs."""
import hashlib
import struct

# UAPI.5: what the stub measures into PCR 11, in its order.
MEASURED = [".linux", ".osrel", ".cmdline", ".initrd", ".ucode", ".splash", ".dtb", ".uname", ".sbat", ".pcrpkey"]


def sections(image):
    """By name: offset in the file, and size without padding."""
    header, = struct.unpack_from("<I", image, 0x3C)
    if image[header:header + 4] != b"PE\0\0":
        raise ValueError("no PE file")
    count, = struct.unpack_from("<H", image, header + 6)
    optional, = struct.unpack_from("<H", image, header + 20)
    result = {}
    for i in range(count):
        at = header + 24 + optional + 40 * i
        name = image[at:at + 8].rstrip(b"\0").decode()
        size, _, raw_size, raw = struct.unpack_from("<IIII", image, at + 8)
        if name in result:
            raise ValueError(f"two sections are called {name}")
        result[name] = (raw, min(size, raw_size))
    return result


def content(image, name):
    offset, size = sections(image)[name]
    return image[offset:offset + size]


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def pcr11(image):
    """After the stub, and after stage 1 extended "enter-initrd"."""
    pcr, present = bytes(32), sections(image)
    for name in MEASURED:
        if name in present:
            pcr = sha256(pcr, sha256(name.encode() + b"\0"))
            pcr = sha256(pcr, sha256(content(image, name)))
    return pcr, sha256(pcr, sha256(b"enter-initrd"))


def policy(pcr, epoch):
    """PolicyPCR(sha256:11), then PolicyNV(epoch index <= epoch). TPM 2.0 Library, Part 3, 23.7 and 23.9."""
    selection = struct.pack(">IHB3s", 1, 0x000B, 3, b"\0\x08\0")
    first = sha256(bytes(32), struct.pack(">I", 0x17F), selection, sha256(pcr))
    area = struct.pack(">IHIHH", 0x01800100, 0x000B, 0x22040002, 0, 8)
    arguments = sha256(struct.pack(">QHH", epoch, 0, 0x0009))
    return sha256(first, struct.pack(">I", 0x149), arguments, struct.pack(">H", 0x000B), sha256(area))
