"""The second function: looks at what is declared and what EVS holds, and tells. Changes nothing of either."""
