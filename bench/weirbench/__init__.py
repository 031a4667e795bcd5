# SPDX-License-Identifier: Apache-2.0
"""The benchmark of weir: what is measured (rows), against whom (contestants), where (lab), and what came out (report)."""
