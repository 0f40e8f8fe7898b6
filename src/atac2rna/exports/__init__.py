"""An atlas in forms that other programs read: MuData, and the matrices of the first experiment."""
