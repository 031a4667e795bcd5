# SPDX-License-Identifier: Apache-2.0
"""What the numbers were measured on."""
import os
import platform
import subprocess

SYSCTLS = ["net.core.rmem_default", "net.core.rmem_max", "net.core.wmem_default", "net.core.wmem_max",
           "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem", "net.ipv4.tcp_congestion_control"]


def _read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read().strip()
    except OSError:
        return ""


def _said(argv, cwd=None):
    try:
        done = subprocess.run(argv, capture_output=True, text=True, cwd=cwd, timeout=5, check=False)
        return done.stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def describe(root):
    cpu = [line.split(":", 1)[1].strip() for line in _read("/proc/cpuinfo").splitlines()
           if line.startswith("model name")]
    memory = _read("/proc/meminfo").split()
    flags = set(_read("/proc/cpuinfo").split())
    return {
        "cpu": cpu[0] if cpu else platform.machine(),
        "cores": os.cpu_count(),
        "virtual": "hypervisor" in flags,
        "memory_mib": int(memory[1]) // 1024 if len(memory) > 1 else None,
        "kernel": platform.release(),
        "arch": platform.machine(),
        "system": dict(line.split("=", 1) for line in _read("/etc/os-release").splitlines()
                       if "=" in line).get("PRETTY_NAME", "").strip('"'),
        "mitigations": {f: _read(f"/sys/devices/system/cpu/vulnerabilities/{f}") for f in
                        ("meltdown", "spectre_v2", "retbleed")},
        "load_average_before": os.getloadavg(),
        "commit": _said(["git", "-c", f"safe.directory={root}", "describe", "--always", "--dirty"], root),
        "iperf3": _said(["iperf3", "--version"]).splitlines()[:1],
    }


def sysctls(ns):
    return {key: ns.sysctl(key) for key in SYSCTLS}
