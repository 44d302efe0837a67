"""How the dock differs from napari's own style: less room around texts, and a frame around what has the keyboard.

The colours of what must not be overlooked are legible in a light window and in a dark one.
"""

TIGHT = """
QComboBox { padding: 1px 2px 1px 6px; border: 1px solid transparent; }
QComboBox::drop-down { width: 18px; }
QPushButton { padding: 2px 5px; border: 1px solid transparent; }
QToolButton { padding: 1px 4px; border: 1px solid rgba(128, 128, 128, 150); border-radius: 2px; }
QToolButton:hover, QToolButton:checked { background: rgba(128, 128, 128, 90); }
QAbstractSpinBox { min-width: 44px; padding: 0px 8px; border: 1px solid transparent; }
QPushButton:focus, QToolButton:focus, QComboBox:focus, QAbstractSpinBox:focus { border: 1px solid palette(text); }
QSlider::handle:horizontal:focus { background: palette(text); }
QCheckBox:focus, QRadioButton:focus { text-decoration: underline; }
"""
"""For the whole dock."""

UNUSUAL = "background: #F0B429; color: #1A1A1A;"
"""What is set otherwise than usual, or hidden."""

SERIOUS = "background: #B3261E; color: white;"
"""What went wrong, or will take minutes."""

ROUNDED = "border-radius: 3px; padding: 1px 4px;"
"""For labels in these colours."""
