"""Everything the company would tell on a day, clean: one file per source, before anything goes wrong with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from lake.simulate import cycles, fitted, lab, planning, robot, supply, telemetry, warehouse
from lake.simulate.company import SITES, Column, Company, Frame, person
from lake.simulate.mishaps import lag
from lake.simulate.stock import Stock, play

COLUMNS = {
    "supply.suppliers": (
        "supplier_id name country contact_name contact_email payment_terms_days currency status updated_at"
    ),
    "supply.parts": "part_id description category unit make_or_buy status updated_at",
    "supply.supplier_parts": (
        "supplier_id part_id quoted_lead_time_days min_order_quantity order_multiple unit_price currency approved "
        "status updated_at"
    ),
    "supply.order_lines": (
        "order_id line revision supplier_id part_id ship_to_site quantity unit_price currency ordered_at "
        "promised_on transport_mode incoterm status changed_at"
    ),
    "supply.receipts": "receipt_id order_id line site received_at quantity lot",
    "supply.inspections": (
        "inspection_id receipt_id lot inspected_at sample_size quantity_accepted quantity_rejected disposition "
        "defects measurements"
    ),
    "supply.bom": "product_id revision part_id quantity valid_from",
    "supply.exchange_rates": "on currency rate_to_reporting",
    "warehouse.items": (
        "item_id kind description unit standard_cost list_price currency lifecycle successor_item_id criticality "
        "updated_at"
    ),
    "warehouse.planning_parameters": ("item_id site reorder_point order_up_to review_days service_target updated_at"),
    "warehouse.movements": (
        "movement_id at site item_id lot serial kind quantity unit reference_type reference_id operator"
    ),
    "warehouse.counts": "count_id counted_at site item_id quantity",
    "warehouse.build_records": (
        "build_id seq serial product_id revision site position part_id lot supplier_id quantity built_at operator"
    ),
    "warehouse.customers": "customer_id name email phone address city country segment status updated_at",
    "warehouse.sales_lines": (
        "order_id line revision customer_id item_id ship_from_site quantity unit_price currency ordered_at "
        "requested_on shipped_at status changed_at"
    ),
    "warehouse.decisions": "recommendation_id run decided_at role action quantity reason_code note",
    "robot.robots": (
        "serial arm_variant hand_variant end_effector transmission customer_id site channel commissioned_on "
        "retired_on status updated_at"
    ),
    "robot.boots": "serial boot_id at firmware position_model force_model wear_model calibration_id clock_offset_ms",
    "robot.telemetry": (
        "serial boot_id seq at received_at joint position_cmd_rad position_rad velocity_rad_s current_a torque_nm "
        "temperature_c cycle"
    ),
    "robot.work_cycles": (
        "serial boot_id cycle started_at ended_at task object_class hand_orientation payload_kg peak_force_n "
        "tool_current_a tactile result"
    ),
    "robot.service": (
        "work_order_id line revision serial joint opened_at closed_at component action cause is_failure part_id "
        "quantity lot_removed lot_installed labour_minutes downtime_minutes cost currency technician changed_at"
    ),
    "robot.experiments": (
        "experiment_id revision serial question arm_variant hand_variant end_effector transmission firmware "
        "started_at ended_at outcome changed_at"
    ),
    "robot.faults": "fault_id serial at code severity joint message cleared_at",
    "robot.accuracy_tests": (
        "test_id serial experiment_id at pose_id frame joint_0_rad joint_1_rad joint_2_rad joint_3_rad joint_4_rad "
        "joint_5_rad target_x_mm target_y_mm target_z_mm target_rx_rad target_ry_rad target_rz_rad measured_x_mm "
        "measured_y_mm measured_z_mm measured_rx_rad measured_ry_rad measured_rz_rad payload_kg temperature_c "
        "instrument calibration_id"
    ),
}
"""Every source and its columns, as delivered."""

JSON_LINES = {
    "supply.inspections",
    "warehouse.movements",
    "warehouse.counts",
    "warehouse.decisions",
    "robot.boots",
    "robot.telemetry",
    "robot.faults",
    "robot.work_cycles",
    "warehouse.build_records",
}

LATE_FROM_HOUR = 13
"""What is booked from this hour on is late, on days whose movements have a late file."""


@dataclass
class File:
    """A file to be written: parts are whole lines (blocks of lines in telemetry), header the first line of a csv."""

    source: str
    name: str
    header: bytes
    parts: list[bytes]

    @property
    def body(self) -> bytes:
        return b"".join([self.header, *self.parts])


@dataclass(frozen=True)
class Books:
    """What the company knows up to day `last`, and how it tells it."""

    company: Company
    last: int

    @cached_property
    def orders(self) -> Frame:
        return supply.order_book(self.company, self.last)

    @cached_property
    def receipts(self) -> Frame:
        return supply.receipts(self.company, self.orders)

    @cached_property
    def inspections(self) -> Frame:
        return supply.inspections(self.company, self.receipts)

    @cached_property
    def revisions(self) -> Frame:
        return supply.revisions(self.company, self.orders, self.receipts)

    @cached_property
    def stock(self) -> Stock:
        return play(self.company, self.receipts, self.inspections, self.last)

    @cached_property
    def movements(self) -> Frame:
        """The movements with `told`, the number of the day they are delivered on."""
        moves = self.stock.movements.copy()
        moves["number"] = self._numbers(moves["at"])
        moves["told"] = moves["number"]
        for number in range(self.last + 1):
            if late := lag("late_file", "warehouse.movements", number):
                moves.loc[(moves["number"] == number) & (moves["at"].dt.hour >= LATE_FROM_HOUR), "told"] += late
        return moves

    def file(self, source: str, number: int) -> File:
        """The clean file of a source on a day; records that are late have files of their own (`late_movements`)."""
        ending = "jsonl" if source in JSON_LINES else "csv"
        name = f"{source.split('.')[1]}.{ending}"
        if source == "robot.telemetry":
            return File(source, name, b"", list(telemetry.day_blocks(self.company, number)))
        return lines_file(source, name, _TELL[source](self, number))

    def late_movements(self, number: int, origin: int) -> File:
        """What was held back on day `origin` and comes on day `number`."""
        late = self.movements[(self.movements["number"] == origin) & (self.movements["told"] == number)]
        return lines_file(
            "warehouse.movements", f"movements_late_{self.company.day(origin):%Y%m%d}.jsonl", self.told_movements(late)
        )

    def told_movements(self, moves: Frame) -> Frame:
        return pd.DataFrame(
            {
                "movement_id": moves["movement_id"],
                "at": iso(moves["at"]),
                "site": np.array(SITES)[moves["site"]],
                "item_id": self._item_ids(moves["item"]),
                "unit": "piece",
                "operator": np.array([person(self.company.seed, "operator", k) for k in range(12)])[moves["operator"]],
                **{c: moves[c] for c in ("lot", "serial", "kind", "quantity", "reference_type", "reference_id")},
            }
        )

    @cached_property
    def parts(self) -> Frame:
        return fitted.lives(self.company, self.receipts, self.last)

    @cached_property
    def service(self) -> Frame:
        return fitted.service_revisions(self.company, self.parts)

    @cached_property
    def builds(self) -> Frame:
        return fitted.build_records(self.company, self.parts)

    def day_of(self, frame: Frame, column: str, number: int) -> Frame:
        """The rows told on a day: those of the day; on the first day all of the history, too."""
        numbers = self._numbers(frame[column])
        return frame[(numbers <= 0) if number == 0 else (numbers == number)]

    def _numbers(self, at: Column) -> Column:
        return (at.dt.normalize() - pd.Timestamp(self.company.start)).dt.days

    def _item_ids(self, places: Column) -> Any:
        return self.company.items["item_id"].to_numpy()[places]

    def told_revisions(self, number: int) -> Frame:
        rows = self.day_of(self.revisions, "changed_at", number)
        supplier = self.company.suppliers.iloc[rows["supplier"]].set_index(rows.index)
        return pd.DataFrame(
            {
                **{c: rows[c] for c in ("order_id", "line", "revision", "quantity", "status")},
                "supplier_id": supplier["supplier_id"],
                "part_id": self._item_ids(rows["item"]),
                "ship_to_site": np.array(SITES)[rows["site"]],
                "unit_price": rows["unit_price"].map("{:.2f}".format),
                "currency": supplier["currency"],
                "ordered_at": iso(rows["ordered_at"]),
                "promised_on": rows["promised_on"].dt.strftime("%Y-%m-%d"),
                "transport_mode": supplier["transport_mode"],
                "incoterm": supplier["incoterm"],
                "changed_at": iso(rows["changed_at"]),
            }
        )

    def told_receipts(self, number: int) -> Frame:
        rows = self.day_of(self.receipts, "received_at", number)
        return rows.assign(
            site=np.array(SITES)[rows["site"]], received_at=iso(rows["received_at"]), quantity=rows["received"]
        )

    def told_inspections(self, number: int) -> Frame:
        rows = self.day_of(self.inspections, "inspected_at", number)
        return rows.assign(inspected_at=iso(rows["inspected_at"]))

    def told_counts(self, number: int) -> Frame:
        counts = self.stock.counts
        rows = self.day_of(counts, "counted_at", number) if len(counts) else counts
        sites = np.array(SITES)[rows["site"].astype(int)]
        return rows.assign(
            site=sites, item_id=self._item_ids(rows["item"].astype(int)), counted_at=iso(rows["counted_at"])
        )

    def told_builds(self, number: int) -> Frame:
        rows = self.day_of(self.builds, "built_at", number)
        return rows.assign(built_at=iso(rows["built_at"]))

    def told_service(self, number: int) -> Frame:
        rows = self.day_of(self.service, "changed_at", number)
        whole = {
            c: rows[c].astype("Int64").astype(object).where(rows[c].notna(), None)
            for c in ("quantity", "labour_minutes", "downtime_minutes")
        }
        cost = rows["cost"].map("{:.2f}".format).where(rows["cost"].notna(), None)
        failed = rows["is_failure"].map({True: "true", False: "false"})
        at = {c: iso(rows[c]) for c in ("opened_at", "closed_at", "changed_at")}
        return rows.assign(**whole, **at, cost=cost, is_failure=failed)

    def told_sales(self, number: int) -> Frame:
        rows = self.day_of(self.stock.sales, "changed_at", number)
        return rows.assign(
            customer_id=self.company.customers["customer_id"].to_numpy()[rows["customer"]],
            item_id=self._item_ids(rows["item"]),
            ship_from_site=np.array(SITES)[rows["site"]],
            unit_price=rows["unit_price"].map("{:.2f}".format),
            currency="EUR",
            ordered_at=iso(rows["ordered_at"]),
            requested_on=rows["requested_on"].dt.strftime("%Y-%m-%d"),
            shipped_at=iso(rows["shipped_at"]),
            changed_at=iso(rows["changed_at"]),
        )


_TELL: dict[str, Callable[[Books, int], Frame]] = {
    "supply.suppliers": lambda books, n: supply.supplier_extract(books.company, n),
    "supply.parts": lambda books, n: planning.part_extract(books.company, n),
    "supply.bom": lambda books, n: planning.bom_records(books.company, n),
    "supply.exchange_rates": lambda books, n: planning.rate_records(books.company, n),
    "supply.supplier_parts": lambda books, n: supply.agreement_extract(books.company, n),
    "supply.order_lines": Books.told_revisions,
    "supply.receipts": Books.told_receipts,
    "supply.inspections": Books.told_inspections,
    "warehouse.items": lambda books, n: warehouse.item_extract(books.company, n),
    "warehouse.planning_parameters": lambda books, n: planning.planning_extract(books.company, n),
    "warehouse.decisions": lambda books, n: planning.decision_records(books.company, n),
    "warehouse.movements": lambda books, n: books.told_movements(
        books.movements[(books.movements["number"] == n) & (books.movements["told"] == n)]
    ),
    "warehouse.counts": Books.told_counts,
    "warehouse.customers": lambda books, n: warehouse.customer_extract(books.company, n),
    "warehouse.sales_lines": Books.told_sales,
    "robot.robots": lambda books, n: robot.robot_extract(books.company, n),
    "robot.boots": lambda books, n: robot.boot_records(books.company, n),
    "robot.faults": lambda books, n: robot.fault_records(books.company, n),
    "robot.accuracy_tests": lambda books, n: lab.accuracy_records(books.company, n),
    "robot.experiments": lambda books, n: lab.experiment_records(books.company, n),
    "robot.work_cycles": lambda books, n: cycles.work_cycle_records(books.company, n),
    "robot.service": Books.told_service,
    "warehouse.build_records": Books.told_builds,
}


def iso(at: Column) -> Column:
    """Timestamps as text, to the second; nothing stays nothing."""
    text = at.astype("datetime64[s]").dt.strftime("%Y-%m-%dT%H:%M:%SZ").astype(object)
    return text.where(at.notna(), None)


def lines_file(source: str, name: str, rows: Frame) -> File:
    """A file of these rows, with the source's columns in their order."""
    columns = COLUMNS[source].split()
    values = zip(*(_plain(rows[c]) for c in columns), strict=True) if len(rows) else iter(())
    if source in JSON_LINES:
        return File(source, name, b"", [json_line(dict(zip(columns, v, strict=True))) for v in values])
    return File(source, name, csv_line(columns), [csv_line(v) for v in values])


def _plain(column: Column) -> list[Any]:
    """Python values, with None for what is missing."""
    if column.hasnans:
        column = column.astype(object).where(column.notna(), None)
    return list(column.tolist())


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def json_line(record: dict[Any, Any]) -> bytes:
    return (_encode(record) + "\n").encode()


def csv_line(values: Any) -> bytes:
    """One line as RFC 4180 wants it, ended by a newline."""
    texts = ["" if v is None else v.isoformat() if isinstance(v, date) else str(v) for v in values]
    line = ",".join(texts)
    if line.count(",") >= len(texts) or '"' in line or "\n" in line or "\r" in line:
        line = ",".join(map(_quoted, texts))
    return f"{line}\n".encode()


def _quoted(text: str) -> str:
    special = "," in text or '"' in text or "\n" in text or "\r" in text
    return '"' + text.replace('"', '""') + '"' if special else text
